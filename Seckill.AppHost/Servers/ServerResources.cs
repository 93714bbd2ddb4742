using Microsoft.Extensions.Configuration;
using Seckill.AppHost.Running;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>The three servers under the names that services know, whatever they run in.</summary>
internal sealed record ServerResources(
    IResourceBuilder<IResourceWithConnectionString> Redis,
    IResourceBuilder<IResourceWithConnectionString> RabbitMQ,
    IResourceBuilder<IResourceWithConnectionString> MySql)
{
    public IReadOnlyDictionary<string, IResourceWithConnectionString> ByName { get; } =
        new[] { Redis, RabbitMQ, MySql }.ToDictionary(server => server.Resource.Name, server => server.Resource);
}

internal static class ServerResourcesExtensions
{
    private const string Database = "seckill";

    /// <summary>
    /// Containers, always when publishing; in a run processes of this machine where no container runtime answers. <c>Servers=containers</c> or
    /// <c>Servers=local</c> decides it by hand.
    /// </summary>
    public static ServerResources AddServers(this IDistributedApplicationBuilder builder, LocalOptions local)
    {
        var containers = builder.ExecutionContext.IsPublishMode || builder.Configuration["Servers"] switch
        {
            "containers" => true,
            "local" => false,
            null or "" => ContainerRuntime.Answers(builder.Configuration),
            var other => throw new DistributedApplicationException($"Servers must be containers or local, not {other}."),
        };
        return containers ? builder.AddContainers() : builder.AddLocalServers(local);
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

    private static ServerResources AddLocalServers(this IDistributedApplicationBuilder builder, LocalOptions options) => new(
        builder.AddLocalServer("redis", async stop =>
            await RedisServer.StartAsync(options.Configure(new RedisServerOptions(), "redis", options.RedisPort), stop)),
        builder.AddLocalServer("rabbitmq", async stop =>
            await RabbitMqServer.StartAsync(options.Configure(new RabbitMqServerOptions(), "rabbitmq", options.RabbitMqPort), stop)),
        builder.AddLocalServer("mysql", async stop =>
            await MySqlServer.StartAsync(options.Configure(new MySqlServerOptions { Database = Database }, "mysql", options.MySqlPort), stop)));
}
