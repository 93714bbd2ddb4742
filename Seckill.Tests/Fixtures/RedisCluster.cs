using StackExchange.Redis;

namespace Seckill.Tests.Fixtures;

/// <summary>
/// A Redis Cluster of three masters, each with a replica on request; a shard without a master does not close the others.
/// </summary>
public sealed class RedisCluster : IAsyncDisposable
{
    private const int MasterCount = 3;
    private const int SlotCount = 16_384;
    private const int NodeTimeoutMs = 2_000;
    private const string Password = "cluster";

    private static readonly string[] Arguments =
    [
        "--cluster-enabled", "yes", "--cluster-node-timeout", $"{NodeTimeoutMs}", "--cluster-require-full-coverage", "no", "--masterauth",
        Password,
    ];

    private readonly List<RedisServer> _nodes = [];

    /// <summary>Ports of the cluster bus. Redis's default, 10,000 above the other port, may be in use by another process.</summary>
    private readonly List<int> _busPorts = [];

    private RedisCluster()
    {
    }

    public IReadOnlyList<RedisServer> Masters => _nodes[..MasterCount];

    public IReadOnlyList<RedisServer> Replicas => _nodes[MasterCount..];

    public string ConnectionString => $"{string.Join(',', _nodes.Select(node => $"127.0.0.1:{node.Port}"))},password={Password}";

    public static async Task<RedisCluster> StartAsync(CancellationToken cancellationToken, bool withReplicas = false)
    {
        var cluster = new RedisCluster();
        try
        {
            for (var i = 0; i < (withReplicas ? 2 : 1) * MasterCount; i++)
            {
                cluster._busPorts.Add(LoopbackPorts.Take());
                string[] arguments = [.. Arguments, "--cluster-port", $"{cluster._busPorts[i]}"];
                cluster._nodes.Add(await RedisServer.StartAsync(
                    new RedisServerOptions { Password = Password, ExtraArguments = arguments }, cancellationToken));
            }

            await cluster.FormAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }
    }

    private async Task FormAsync(CancellationToken cancellationToken)
    {
        for (var i = 0; i < MasterCount; i++)
        {
            var (first, end) = (SlotCount * i / MasterCount, SlotCount * (i + 1) / MasterCount);
            await AskAsync(_nodes[i], ["ADDSLOTSRANGE", first, end - 1], cancellationToken);
            await AskAsync(_nodes[i], ["SET-CONFIG-EPOCH", i + 1], cancellationToken);
        }

        foreach (var (node, busPort) in _nodes.Zip(_busPorts).Skip(1))
        {
            await AskAsync(_nodes[0], ["MEET", "127.0.0.1", node.Port, busPort], cancellationToken);
        }

        foreach (var (replica, i) in Replicas.Select((replica, i) => (replica, i)))
        {
            var masterId = await AskAsync(_nodes[i], ["MYID"], cancellationToken);
            await Deadline.UntilAsync(
                () => AskAsync(replica, ["NODES"], cancellationToken), nodes => nodes.Contains(masterId, StringComparison.Ordinal),
                cancellationToken);
            await AskAsync(replica, ["REPLICATE", masterId], cancellationToken);
        }

        foreach (var node in _nodes)
        {
            await Deadline.UntilAsync(
                () => AskAsync(node, ["INFO"], cancellationToken),
                info => info.Contains("cluster_state:ok", StringComparison.Ordinal)
                    && info.Contains($"cluster_known_nodes:{_nodes.Count}", StringComparison.Ordinal)
                    && info.Contains($"cluster_slots_assigned:{SlotCount}", StringComparison.Ordinal),
                cancellationToken);
        }
    }

    /// <summary>Runs a CLUSTER command.</summary>
    private static async Task<string> AskAsync(RedisServer node, object[] arguments, CancellationToken cancellationToken)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync(
            $"127.0.0.1:{node.Port},password={Password},connectTimeout=300,abortConnect=false");
        return (string)(await connection.GetServers()[0].ExecuteAsync("CLUSTER", arguments).WaitAsync(cancellationToken))! ?? "";
    }
}
