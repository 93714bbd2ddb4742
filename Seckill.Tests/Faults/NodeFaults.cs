using Seckill.Ordering.Contract;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Faults;

internal enum Node
{
    RedisMaster,
    RedisReplica,
    RabbitMqLeader,
    RabbitMqFollower,
    MySqlPrimary,
    MySqlReplica,
}

internal enum Fault
{
    Kill,
    Freeze,
    Slow,
}

/// <summary>
/// Breaks one node while orders come in and checks the promise. If another node takes over, or the node is only slow, good orders are
/// written within seconds without an operator. If there is no other node, health reports the fault, and the orders are written once the
/// node is back.
/// </summary>
internal sealed class NodeFaults(
    RedundantSystem.Servers servers, SaleOnTrial sale, ITestOutputHelper output, CancellationToken cancellation)
{
    /// <summary>Longer than a fail-over takes on a busy machine, shorter than the default time-out of any client.</summary>
    public const int WrittenWithinMs = 30_000;

    private const int NoticedWithinMs = 20_000;

    // A slow node is paused for nine tenths of the time.
    private const int SlowStopMs = 180;
    private const int SlowRunMs = 20;

    /// <summary>Any node, any fault.</summary>
    public static (Node Node, Fault Fault) Next(Random random) => (
        Enum.GetValues<Node>()[random.Next(Enum.GetValues<Node>().Length)],
        Enum.GetValues<Fault>()[random.Next(Enum.GetValues<Fault>().Length)]);

    /// <summary>Starts with complete clusters and leaves complete ones.</summary>
    public async Task RunAsync(Node node, Fault fault)
    {
        var server = await FindAsync(node);
        using var healed = new CancellationTokenSource();
        var slow = Task.CompletedTask;
        switch (fault)
        {
            case Fault.Kill:
                server.Kill();
                break;
            case Fault.Freeze:
                server.Pause();
                break;
            default:
                slow = SlowAsync(server, healed.Token);
                break;
        }

        try
        {
            if (node == Node.MySqlPrimary && fault != Fault.Slow)
            {
                await NoticedAsync();
            }
            else
            {
                await sale.WriteOneEachAsync(WrittenWithinMs);
            }
        }
        finally
        {
            await healed.CancelAsync();
            await slow;
            server.Continue();
            if (fault == Fault.Kill)
            {
                await server.RestartAsync(cancellation);
            }
        }

        await sale.WriteOneEachAsync(WrittenWithinMs);
        await WholeAgainAsync(server);
    }

    /// <summary>Restarts a node that comes back without finding the others, as an operator would; no buyer waits for that.</summary>
    private async Task WholeAgainAsync(LocalServer node)
    {
        try
        {
            await WholeAsync();
        }
        catch (TimeoutException alone)
        {
            output.WriteLine($"The node at port {node.Port} is restarted: {alone.Message}");
            await node.RestartAsync(cancellation);
            await WholeAsync();
        }
    }

    /// <summary>Returns once each node has another one that can take over.</summary>
    private async Task WholeAsync()
    {
        await servers.Redis.RolesAsync(cancellation);
        await servers.RabbitMq.LeaderAsync(OrderTopology.Queue, cancellation);
        await servers.MySql.CatchUpAsync(cancellation);
    }

    private async Task<LocalServer> FindAsync(Node node)
    {
        await WholeAsync();
        var (master, replica) = await servers.Redis.RolesAsync(cancellation);
        var leader = await servers.RabbitMq.LeaderAsync(OrderTopology.Queue, cancellation);
        return node switch
        {
            Node.RedisMaster => master,
            Node.RedisReplica => replica,
            Node.RabbitMqLeader => leader,
            Node.RabbitMqFollower => servers.RabbitMq.Nodes.First(other => other != leader),
            Node.MySqlPrimary => servers.MySql.Primary,
            _ => servers.MySql.Replica,
        };
    }

    /// <summary>Waits until both applications report that MySQL cannot be written.</summary>
    private async Task NoticedAsync()
    {
        foreach (var service in (LocalService[])[servers.System.Apis[0], servers.System.Workers[0]])
        {
            using var client = new ShopClient(service.Url);
            await Deadline.UntilAsync(
                () => client.GetAsync("/health", cancellation), answer => answer.Text("status") is "Degraded" or "Unhealthy", cancellation,
                NoticedWithinMs);
        }
    }

    private static async Task SlowAsync(LocalServer server, CancellationToken healed)
    {
        while (!healed.IsCancellationRequested)
        {
            server.Pause();
            await Task.Delay(SlowStopMs, CancellationToken.None);
            server.Continue();
            await Task.Delay(SlowRunMs, CancellationToken.None);
        }
    }
}
