using Seckill.Ordering.Ids;
using Seckill.Tests.Operations;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Faults;

/// <summary>The holder of a Snowflake node, and the length of its lease.</summary>
[Collection(nameof(WorkerServers))]
public sealed class SnowflakeLeaseTests(WorkerServers servers)
{
    /// <summary>A stop waits for MySQL for two seconds. A busy machine may exceed that once or twice; the node then stays leased.</summary>
    private const int StopsMax = 3;

    private const string Leased = "SELECT COUNT(*) FROM snowflake_nodes WHERE leased_until > UTC_TIMESTAMP(6)";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stop_gives_the_node_back()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Token);
        var stops = 0;
        await Deadline.UntilAsync(
            async () =>
            {
                Assert.InRange(++stops, 1, StopsMax);
                var before = await LeasedAsync(shop);
                await using var worker = await RunningWorker.StartAsync(servers, Token);
                await Deadline.UntilAsync(() => LeasedAsync(shop), leased => leased == before + 1, Token);
                int withoutWorker;
                await using (NewApi())
                {
                    await Deadline.UntilAsync(() => LeasedAsync(shop), leased => leased == before + 2, Token);
                    await worker.StopAsync(Token);
                    withoutWorker = await LeasedAsync(shop) - before;
                }

                return (withoutWorker, await LeasedAsync(shop) - before);
            },
            left => left == (1, 0), Token);
    }

    [Fact]
    public async Task A_host_that_is_stopped_twice_at_once_has_given_the_node_back_after_either_stop()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Token);
        var stops = 0;
        // Until the node is given back after both.
        var (afterOne, _) = await Deadline.UntilAsync(
            async () =>
            {
                Assert.InRange(++stops, 1, StopsMax);
                var before = await LeasedAsync(shop);
                await using var api = NewApi();
                var ids = api.Get<OrderIds>();
                await Deadline.UntilAsync(() => Task.FromResult(NextOf(ids)), id => id is not null, Token);

                var first = ids.StopAsync(Token);
                await ids.StopAsync(Token);
                var left = await LeasedAsync(shop) - before;
                await first;
                return (left, await LeasedAsync(shop) - before);
            },
            left => left.Item2 == 0, Token);

        Assert.Equal(0, afterOne);
    }

    [Fact]
    public async Task An_instance_whose_lease_MySQL_has_forgotten_takes_another_node()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Token);
        await using var api = NewApi();
        var ids = api.Get<OrderIds>();
        var node = NodeOf(await Deadline.UntilAsync(() => Task.FromResult(NextOf(ids)), id => id is not null, Token));

        // As after a fail-over to a replica that lags: the row is free and is then taken by another instance.
        await shop.AskAsync<object?>(
            $"UPDATE snowflake_nodes SET owner = 'another', leased_until = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR WHERE node = {node}", Token);
        try
        {
            var other = NodeOf(await Deadline.UntilAsync(
                () => Task.FromResult(NextOf(ids)), id => id is not null && NodeOf(id) != node, Token));

            Assert.Equal(1, await shop.AskAsync<int>($"{Leased} AND node = {other} AND owner <> 'another'", Token));
        }
        finally
        {
            await shop.AskAsync<object?>(
                "UPDATE snowflake_nodes SET owner = '', leased_until = UTC_TIMESTAMP(6) WHERE owner = 'another'", Token);
        }
    }

    private ApiHost NewApi() => new(
    [
        ("ConnectionStrings:redis", servers.Redis.ConnectionString),
        ("ConnectionStrings:rabbitmq", servers.RabbitMq.ConnectionString),
        ("ConnectionStrings:mysql", servers.MySql.ConnectionString),
    ]);

    private static long? NextOf(OrderIds ids) => ids.TryNext(out var id) ? id : null;

    private static long NodeOf(long? id) => (id!.Value >> 12) & SnowflakeSequence.NodeMax;

    private static Task<int> LeasedAsync(Shop shop) => shop.AskAsync<int>(Leased, Token);
}
