using Seckill.Tests.Operations;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Faults;

/// <summary>Who holds a Snowflake node, and for how long.</summary>
[Collection(nameof(WorkerServers))]
public sealed class SnowflakeLeaseTests(WorkerServers servers)
{
    private const string Leased = "SELECT COUNT(*) FROM snowflake_nodes WHERE leased_until > UTC_TIMESTAMP(6)";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stop_gives_the_node_back()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Token);
        var before = await LeasedAsync(shop);
        await using var worker = await RunningWorker.StartAsync(servers, Token);
        await Deadline.UntilAsync(() => LeasedAsync(shop), leased => leased == before + 1, Token);
        var api = new ApiHost(
        [
            ("ConnectionStrings:redis", servers.Redis.ConnectionString),
            ("ConnectionStrings:rabbitmq", servers.RabbitMq.ConnectionString),
            ("ConnectionStrings:mysql", servers.MySql.ConnectionString),
        ]);
        await using (api)
        {
            await Deadline.UntilAsync(() => LeasedAsync(shop), leased => leased == before + 2, Token);
            await worker.StopAsync(Token);
            Assert.Equal(before + 1, await LeasedAsync(shop));
        }

        Assert.Equal(before, await LeasedAsync(shop));
    }

    private static Task<int> LeasedAsync(Shop shop) => shop.AskAsync<int>(Leased, Token);
}
