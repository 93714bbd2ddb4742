using StackExchange.Redis;

namespace Seckill.LocalServers;

/// <summary>A private Redis: append-only file on, and no key is ever evicted.</summary>
public sealed class RedisServer : LocalServer
{
    private readonly RedisServerOptions _options;
    private readonly string _binary;

    private RedisServer(RedisServerOptions options, string binary)
        : base("redis", options, binary)
    {
        _options = options;
        _binary = binary;
    }

    /// <summary>A StackExchange.Redis string.</summary>
    public override string ConnectionString => $"127.0.0.1:{Port},password={Password}";

    /// <summary>Starts it, and returns once it answers PING.</summary>
    /// <exception cref="LocalServerException">It is not installed, or did not answer in time.</exception>
    public static Task<RedisServer> StartAsync(RedisServerOptions options, CancellationToken cancellationToken = default)
    {
        var binary = ServerBinaries.Find(options, "SECKILL_REDIS_SERVER", ["redis-server"], "redis-server");
        return StartedAsync(new RedisServer(options, binary), cancellationToken);
    }

    private protected override Task LaunchAsync(CancellationToken cancellationToken)
    {
        // In a file and not among the arguments, which anyone on the machine can read. In the server's own folder, because a Sentinel
        // rewrites it.
        var configuration = Path.Combine(ServerFolder, "redis.conf");
        WriteForServer(configuration, $"""
            bind 127.0.0.1
            port {Port}
            requirepass {Password}
            dir "{Quotable(ServerFolder)}"
            daemonize no
            save ""
            appendonly yes
            appendfsync {(_options.AppendFsyncAlways ? "always" : "everysec")}
            maxmemory-policy noeviction

            """);
        string[] mode = _options.IsSentinel ? ["--sentinel"] : [];
        return RunAsync([_binary, configuration, .. mode, .. _options.ExtraArguments], new Dictionary<string, string>());
    }

    private static string Quotable(string path) =>
        path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);

    private protected override async Task<string> ProbeAsync(CancellationToken cancellationToken)
    {
        var configuration = ConfigurationOptions.Parse(ConnectionString);
        configuration.ConnectTimeout = 2_000;
        configuration.ConnectRetry = 0;
        configuration.CommandMap = _options.IsSentinel ? CommandMap.Sentinel : CommandMap.Default;
        await using var connection = await ConnectionMultiplexer.ConnectAsync(configuration).WaitAsync(cancellationToken);
        var server = connection.GetServer("127.0.0.1", Port);
        await server.PingAsync().WaitAsync(cancellationToken);
        return server.Version.ToString();
    }
}
