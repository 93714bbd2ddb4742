using StackExchange.Redis;

namespace Seckill.Tests.Fixtures;

/// <summary>A master, a replica, and one Sentinel, which decides alone; the Sentinel can be started after its clients.</summary>
public sealed class RedisSentinel : IAsyncDisposable
{
    private const string Service = "mymaster";
    private const string Password = "sentinel";

    /// <summary>A master that a busy machine pauses for a moment is not replaced.</summary>
    private const int DownAfterMs = 5_000;
    private const int FailOverTimeoutMs = 5_000;

    private readonly int _sentinelPort = LoopbackPorts.Take();
    private readonly List<RedisServer> _servers = [];

    private RedisSentinel()
    {
    }

    public RedisServer Master => _servers[0];

    public RedisServer Replica => _servers[1];

    public string ConnectionString => $"127.0.0.1:{_sentinelPort},serviceName={Service},password={Password}";

    /// <summary>Starts master and replica, without a Sentinel yet.</summary>
    public static async Task<RedisSentinel> StartAsync(CancellationToken cancellationToken)
    {
        var redis = new RedisSentinel();
        try
        {
            redis._servers.Add(await RedisServer.StartAsync(
                new RedisServerOptions { Password = Password, ExtraArguments = ["--masterauth", Password] }, cancellationToken));
            redis._servers.Add(await RedisServer.StartAsync(
                new RedisServerOptions
                {
                    Password = Password,
                    ExtraArguments = ["--masterauth", Password, "--replicaof", "127.0.0.1", $"{redis.Master.Port}"],
                }, cancellationToken));
            return redis;
        }
        catch
        {
            await redis.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns once the Sentinel could fail over to the replica.</summary>
    public async Task StartSentinelAsync(CancellationToken cancellationToken)
    {
        var sentinel = await RedisServer.StartAsync(
            new RedisServerOptions { Password = Password, Port = _sentinelPort, IsSentinel = true }, cancellationToken);
        _servers.Add(sentinel);
        await using var connection = await ConnectionMultiplexer.ConnectAsync(
            sentinel.ConnectionString + ",connectTimeout=30000", options => options.CommandMap = CommandMap.Sentinel);
        var server = connection.GetServers()[0];
        await AskAsync("MONITOR", Service, "127.0.0.1", Master.Port, 1);
        await AskAsync("SET", Service, "auth-pass", Password);
        await AskAsync("SET", Service, "down-after-milliseconds", DownAfterMs);
        await AskAsync("SET", Service, "failover-timeout", FailOverTimeoutMs);
        await Deadline.UntilAsync(
            () => server.SentinelReplicasAsync(Service),
            replicas => replicas.Any(replica => replica.Contains(new KeyValuePair<string, string>("master-link-status", "ok"))),
            cancellationToken);

        Task<RedisResult> AskAsync(params object[] arguments) =>
            server.ExecuteAsync("SENTINEL", arguments).WaitAsync(cancellationToken);
    }

    /// <summary>The current roles, once one server follows the other and has its data; fail-overs change them.</summary>
    public async Task<(RedisServer Master, RedisServer Replica)> RolesAsync(CancellationToken cancellationToken)
    {
        var roles = await Deadline.UntilAsync(
            () => Task.WhenAll(_servers.Take(2).Select(RoleAsync)),
            roles => roles.Contains("master") && roles.Contains("connected"), cancellationToken);
        return roles[0] == "master" ? (_servers[0], _servers[1]) : (_servers[1], _servers[0]);
    }

    /// <summary>Cuts the replica off from its master; it can still be promoted.</summary>
    public async Task StopFollowingAsync(CancellationToken cancellationToken)
    {
        var (master, replica) = await RolesAsync(cancellationToken);
        await AskAsync(replica, "CONFIG", "SET", "masterauth", "wrong");
        await AskAsync(master, "CLIENT", "KILL", "TYPE", "replica");
        await Deadline.UntilAsync(() => RoleAsync(replica), state => state != "connected", cancellationToken);

        async Task AskAsync(RedisServer server, string command, params string[] arguments)
        {
            await using var connection = await ConnectionMultiplexer.ConnectAsync(
                $"{server.ConnectionString},allowAdmin=true,connectTimeout=30000");
            await connection.GetServers()[0].ExecuteAsync(command, arguments).WaitAsync(cancellationToken);
        }
    }

    /// <summary>The role of a master, or the link state of a replica; the failure of a server that is just changing its role.</summary>
    private static async Task<string> RoleAsync(RedisServer server)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},abortConnect=false");
        try
        {
            var role = await connection.GetServers()[0].RoleAsync();
            return role is Role.Replica replica ? replica.State : role.Value;
        }
        catch (RedisException failure)
        {
            // A demoted master closes all its connections.
            return failure.Message;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in Enumerable.Reverse(_servers))
        {
            server.Kill();
            await server.DisposeAsync();
        }
    }
}
