namespace Seckill.LocalServers;

/// <summary>Options of a <see cref="LocalSystem"/>.</summary>
public sealed record LocalSystemOptions
{
    public RedisServerOptions Redis { get; init; } = new();

    public RabbitMqServerOptions RabbitMq { get; init; } = new();

    public MySqlServerOptions MySql { get; init; } = new();

    /// <summary>Environment variables of every application, beyond the three connection strings.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Gets the name of an application and each line of its output, from any thread.</summary>
    public Action<string, string>? OnLine { get; init; }

    /// <summary>Maximum time until an application is healthy, in milliseconds.</summary>
    public int StartTimeoutMs { get; init; } = 180_000;

    /// <summary>Maximum time of an application's stop before it is killed, in milliseconds.</summary>
    public int StopTimeoutMs { get; init; } = 30_000;
}
