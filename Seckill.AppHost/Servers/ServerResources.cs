using Microsoft.Extensions.Configuration;
using Seckill.AppHost.Publishing;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>The three servers under the names that services know, wherever they run.</summary>
internal sealed record ServerResources(
    IResourceBuilder<IResourceWithConnectionString> Redis,
    IResourceBuilder<IResourceWithConnectionString> RabbitMQ,
    IResourceBuilder<IResourceWithConnectionString> MySql)
{
    public const string RedisName = "redis";
    public const string RabbitMQName = "rabbitmq";
    public const string MySqlName = "mysql";
    public const string Database = "seckill";
}

internal static class ServerResourcesExtensions
{
    /// <summary>
    /// What <c>Servers</c> says: <c>containers</c>, <c>external</c> or, for a run, <c>local</c>. Where it says nothing, a run takes containers if a
    /// container runtime answers and processes of this machine if none does; a deployment takes containers, but in the cloud that azd deploys to
    /// external servers: its containers have no disk that a database can live on.
    /// </summary>
    public static ServerResources AddServers(this IDistributedApplicationBuilder builder)
    {
        var servers = builder.Configuration["Servers"] is { Length: > 0 } configured ? configured : DefaultServers(builder);
        return servers switch
        {
            "containers" => builder.AddContainerServers(),
            "external" => builder.AddExternalServers(),
            "local" when builder.ExecutionContext.IsRunMode => builder.AddLocalServers(),
            "local" => throw new DistributedApplicationException(
                "Servers of this machine cannot be published: Servers must be containers or external."),
            _ => throw new DistributedApplicationException($"Servers must be containers, local or external, not {servers}."),
        };
    }

    private static string DefaultServers(IDistributedApplicationBuilder builder)
    {
        if (builder.ExecutionContext.IsPublishMode)
        {
            return builder.IsPublishingManifest() ? "external" : "containers";
        }

        return ContainerRuntime.Answers(builder.Configuration) ? "containers" : "local";
    }

    private static ServerResources AddLocalServers(this IDistributedApplicationBuilder builder)
    {
        var folder = builder.Configuration["Local:StateFolder"] ?? Path.Combine(Repository.Root, ".seckill");
        return new(
            builder.AddLocalServer("redis", stop => RedisServer.StartAsync(Configured(new RedisServerOptions(), "redis", 16_379), stop)),
            builder.AddLocalServer("rabbitmq", stop => RabbitMqServer.StartAsync(Configured(new RabbitMqServerOptions(), "rabbitmq", 15_673), stop)),
            builder.AddLocalServer("mysql", stop => MySqlServer.StartAsync(Configured(new MySqlServerOptions { Database = ServerResources.Database }, "mysql", 13_306), stop)));

        T Configured<T>(T options, string name, int port)
            where T : LocalServerOptions => options with
            {
                DataFolder = Path.Combine(folder, options.ServersRoot is { Length: > 0 } ? "data-today" : "data", name),
                Port = LoopbackPorts.Prefer(builder.Configuration.GetValue($"Local:{name}Port", port)),
            };
    }
}
