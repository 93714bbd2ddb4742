using Seckill.AppHost.Settings;
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

    public IReadOnlyDictionary<string, IResourceWithConnectionString> ByName { get; } =
        new[] { Redis, RabbitMQ, MySql }.ToDictionary(server => server.Resource.Name, server => server.Resource);
}

internal static class ServerResourcesExtensions
{
    /// <summary>
    /// The setting <c>Servers</c>: <c>containers</c>, <c>external</c> or, for a run, <c>local</c>. By default a run uses containers if a
    /// container runtime answers, and otherwise processes on this machine. A deployment uses containers, except in the cloud that azd
    /// deploys to: its containers have no disk suitable for a database, so it uses external servers.
    /// </summary>
    public static ServerResources AddServers(this IDistributedApplicationBuilder builder, LocalOptions local)
    {
        var servers = builder.Configuration["Servers"] is { Length: > 0 } configured ? configured : DefaultServers(builder);
        return servers switch
        {
            "containers" => builder.AddContainerServers(),
            "external" => builder.AddExternalServers(),
            "local" when builder.ExecutionContext.IsRunMode => builder.AddLocalServers(local),
            "local" => throw new DistributedApplicationException(
                "Servers on this machine cannot be published: Servers must be containers or external."),
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

    private static ServerResources AddLocalServers(this IDistributedApplicationBuilder builder, LocalOptions options) => new(
        builder.AddLocalServer(ServerResources.RedisName, async stop =>
            await RedisServer.StartAsync(options.Configure(new RedisServerOptions(), ServerResources.RedisName, options.RedisPort), stop)),
        builder.AddLocalServer(ServerResources.RabbitMQName, async stop =>
            await RabbitMqServer.StartAsync(
                options.Configure(new RabbitMqServerOptions(), ServerResources.RabbitMQName, options.RabbitMqPort), stop)),
        builder.AddLocalServer(ServerResources.MySqlName, async stop =>
            await MySqlServer.StartAsync(
                options.Configure(
                    new MySqlServerOptions { Database = ServerResources.Database }, ServerResources.MySqlName, options.MySqlPort),
                stop)));
}
