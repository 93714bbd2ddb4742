namespace Seckill.AppHost.Servers;

/// <summary>The three servers as containers.</summary>
internal static class ContainerServers
{
    /// <summary>Where each server's image keeps its data, by resource name.</summary>
    public static readonly IReadOnlyDictionary<string, string> DataFolders = new Dictionary<string, string>
    {
        [ServerResources.RedisName] = "/data",
        [ServerResources.RabbitMQName] = "/var/lib/rabbitmq",
        [ServerResources.MySqlName] = "/var/lib/mysql",
    };

    /// <summary>
    /// The workers' limits on message and frame size, in bytes: the broker already refuses larger messages when they are published.
    /// </summary>
    private const string RabbitMQLimits = "-rabbit max_message_size 2097152 -rabbit frame_max 65536";

    /// <summary>
    /// A run keeps its data in volumes on the developer's machine. A published model has no volumes yet: only the target knows whether it
    /// has a disk suitable for a database, so the target adds them.
    /// </summary>
    public static ServerResources AddContainerServers(this IDistributedApplicationBuilder builder)
    {
        var redis = builder.AddRedis(ServerResources.RedisName)
            .WithServerOptions("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction");
        var rabbitMQ = builder.AddRabbitMQ(ServerResources.RabbitMQName)
            .WithManagementPlugin()
            .WithEnvironment("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", RabbitMQLimits);
        var mySql = builder.AddMySql(ServerResources.MySqlName, ServerResources.Database);
        if (builder.ExecutionContext.IsRunMode)
        {
            redis.WithDataVolume();
            rabbitMQ.WithDataVolume();
            mySql.WithVolume(VolumeNameGenerator.Generate(mySql, "data"), DataFolders[ServerResources.MySqlName]);
        }

        return new(redis, rabbitMQ, mySql);
    }

    /// <summary>The servers that are containers in this model; none if they are external.</summary>
    public static IEnumerable<IResourceBuilder<ContainerResource>> GetServerContainers(this IDistributedApplicationBuilder builder) =>
        [.. builder.Resources.OfType<ContainerResource>()
            .Where(container => DataFolders.ContainsKey(container.Name))
            .Select(builder.CreateResourceBuilder)];
}
