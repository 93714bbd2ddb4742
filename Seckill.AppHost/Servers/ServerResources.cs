using Microsoft.Extensions.Configuration;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>The three servers under the names that services know, whatever they run in.</summary>
internal sealed record ServerResources(
    IResourceBuilder<IResourceWithConnectionString> Redis,
    IResourceBuilder<IResourceWithConnectionString> RabbitMQ,
    IResourceBuilder<IResourceWithConnectionString> MySql);

internal static class ServerResourcesExtensions
{
    private const string Database = "seckill";

    /// <summary>
    /// Containers, always when publishing; in a run processes of this machine where no container runtime answers. <c>Servers=containers</c> or
    /// <c>Servers=local</c> decides it by hand.
    /// </summary>
    public static ServerResources AddServers(this IDistributedApplicationBuilder builder)
    {
        var containers = builder.ExecutionContext.IsPublishMode || builder.Configuration["Servers"] switch
        {
            "containers" => true,
            "local" => false,
            null or "" => ContainerRuntime.Answers(builder.Configuration),
            var other => throw new DistributedApplicationException($"Servers must be containers or local, not {other}."),
        };
        return containers ? builder.AddContainers() : builder.AddLocalServers();
    }

    private static ServerResources AddContainers(this IDistributedApplicationBuilder builder)
    {
        var redis = builder.AddRedis("redis")
            .WithServerOptions("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction");
        var rabbitMQ = builder.AddRabbitMQ("rabbitmq").WithManagementPlugin();
        var mySql = builder.AddMySql("mysql", Database);
        // Data volumes belong to the developer's machine. Where data lives in production is the deployment's decision.
        if (builder.ExecutionContext.IsRunMode)
        {
            redis.WithDataVolume();
            rabbitMQ.WithDataVolume();
            mySql.WithVolume(VolumeNameGenerator.Generate(mySql, "data"), "/var/lib/mysql");
        }

        return new(redis, rabbitMQ, mySql);
    }

    private static ServerResources AddLocalServers(this IDistributedApplicationBuilder builder)
    {
        var folder = builder.Configuration["Local:StateFolder"] ?? Path.Combine(Repository.Root, ".seckill");
        return new(
            builder.AddLocalServer("redis", stop => RedisServer.StartAsync(Configured(new RedisServerOptions(), "redis", 16_379), stop)),
            builder.AddLocalServer("rabbitmq", stop => RabbitMqServer.StartAsync(Configured(new RabbitMqServerOptions(), "rabbitmq", 15_673), stop)),
            builder.AddLocalServer("mysql", stop => MySqlServer.StartAsync(Configured(new MySqlServerOptions { Database = Database }, "mysql", 13_306), stop)));

        T Configured<T>(T options, string name, int port)
            where T : LocalServerOptions => options with
            {
                DataFolder = Path.Combine(folder, options.ServersRoot is { Length: > 0 } ? "data-today" : "data", name),
                Port = LoopbackPorts.Prefer(builder.Configuration.GetValue($"Local:{name}Port", port)),
            };
    }
}
