using System.Diagnostics;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Worker;

/// <summary>Servers that die under load lose nothing and dead-letter nothing.</summary>
[Collection(nameof(WorkerServers))]
public sealed class OutageTests(WorkerServers servers)
{
    private const int OrderCount = 1_500;

    /// <summary>Also limits the rate: at full speed the worker might write everything before a server is killed.</summary>
    private static readonly Dictionary<string, string?> SmallBatches = new()
    {
        ["Worker:BatchSizeMax"] = "20",
        ["Worker:PrefetchCountMax"] = "200",
        ["Worker:OrdersPerSecondMax"] = "400",
    };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MySQL_killed_under_load()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var messages = await shop.SellAsync(1, OrderCount, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, SmallBatches);
        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count > 100, Cancelled);

        await CrashAsync(servers.MySql);
        await worker.HealthAsync("writing", HealthStatus.Unhealthy, Cancelled);
        await servers.MySql.RestartAsync(Cancelled);

        await AssertAllSoldAsync(shop, messages);
        await worker.HealthAsync("writing", HealthStatus.Healthy, Cancelled);
    }

    [Fact]
    public async Task Redis_killed_under_load()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var messages = await shop.SellAsync(1, OrderCount, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, SmallBatches);
        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count > 100, Cancelled);

        await CrashAsync(servers.Redis);
        await worker.HealthAsync("writing", HealthStatus.Unhealthy, Cancelled);
        await servers.Redis.RestartAsync(Cancelled);

        await AssertAllSoldAsync(shop, messages);
    }

    [Fact]
    public async Task RabbitMQ_killed_under_load()
    {
        List<OrderMessage> messages;
        await using (var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled))
        {
            messages = await shop.SellAsync(1, OrderCount, Cancelled);
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled, SmallBatches);
            await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count > 100, Cancelled);

            await CrashAsync(servers.RabbitMq);
            await worker.HealthAsync("consuming", HealthStatus.Unhealthy, Cancelled);
            await servers.RabbitMq.RestartAsync(Cancelled);
            await worker.ConsumingAsync(Cancelled);

            await shop.SettledAsync(messages, Cancelled);
            Assert.Equal(OrderCount, await shop.OrderCountAsync(Cancelled));
            await shop.AssertConservedAsync(Cancelled);
        }
    }

    [Fact]
    public async Task A_stop_under_load_is_quick_and_the_next_worker_goes_on()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var messages = await shop.SellAsync(1, OrderCount, Cancelled);
        // A stop that waits for the end of its time would take a minute.
        Dictionary<string, string?> patient = new(SmallBatches) { ["Worker:ShutdownTimeoutMs"] = "60000" };
        await using (var first = await RunningWorker.StartAsync(servers, Cancelled, patient))
        {
            await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count > 100, Cancelled);
            var started = Stopwatch.GetTimestamp();
            await first.StopAsync(Cancelled);
            Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, 0, 30);
        }

        var written = await shop.OrderCountAsync(Cancelled);
        Assert.InRange(written, 100, OrderCount - 1);
        // The first worker has settled everything that it wrote: a stop leaves nothing half done.
        await shop.AssertConservedAsync(Cancelled);
        Assert.Equal(OrderCount - written, (int)await servers.RedisConnection.GetDatabase().HashGetAsync(shop.Sku.Sale, "held"));

        await using var second = await RunningWorker.StartAsync(servers, Cancelled, SmallBatches);
        await AssertAllSoldAsync(shop, messages);
    }

    [Fact]
    public async Task A_stop_during_an_outage_keeps_its_bound()
    {
        // Twenty seconds' work: some is left when MySQL dies.
        const int Count = 1_000;
        await using var shop = await Shop.OpenAsync(servers, Count, Cancelled);
        var messages = await shop.SellAsync(1, Count, Cancelled);
        // The batch is aborted after thirty seconds. Without that, the host would give up after forty-five.
        await using var worker = await RunningWorker.StartAsync(
            servers, Cancelled, new() { ["Worker:OrdersPerSecondMax"] = "50", ["Worker:ShutdownTimeoutMs"] = "30000" });
        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count > 0, Cancelled);
        await CrashAsync(servers.MySql);
        try
        {
            await worker.HealthAsync("writing", HealthStatus.Unhealthy, Cancelled);
            var started = Stopwatch.GetTimestamp();
            await worker.StopAsync(Cancelled);
            Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, 0, 40);
        }
        finally
        {
            await servers.MySql.RestartAsync(Cancelled);
        }

        await using var second = await RunningWorker.StartAsync(servers, Cancelled);
        await AssertAllSoldAsync(shop, messages);
    }

    [Fact]
    public async Task Two_workers_on_one_hot_sku_neither_lose_nor_double()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await using var first = await RunningWorker.StartAsync(servers, Cancelled, SmallBatches);
        await using var second = await RunningWorker.StartAsync(servers, Cancelled, SmallBatches);
        var messages = await shop.SellAsync(1, OrderCount, Cancelled);
        // Every third message is delivered twice, possibly to the other worker at the same time.
        await Task.WhenAll(messages.Where((_, i) => i % 3 == 0).Select(message => shop.PublishAsync(message, Cancelled)));
        await AssertAllSoldAsync(shop, messages);
    }

    [Fact]
    public async Task The_ceiling_holds()
    {
        await using var shop = await Shop.OpenAsync(servers, 300, Cancelled);
        var messages = await shop.SellAsync(1, 300, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, new() { ["Worker:OrdersPerSecondMax"] = "200" });
        await shop.SettledAsync(messages, Cancelled);
        var spanMs = await shop.AskAsync<long>(
            """
            SELECT TIMESTAMPDIFF(MICROSECOND, MIN(o.created_at), MAX(o.created_at)) DIV 1000
            FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku
            """, Cancelled);
        // 300 orders in steps of 20 (a tenth of a second's worth): fourteen steps follow the first.
        Assert.InRange(spanMs, 1_200, 60_000);
    }

    private static async Task CrashAsync(LocalServer server)
    {
        server.Kill();
        await server.Exited.WaitAsync(Cancelled);
    }

    private static async Task AssertAllSoldAsync(Shop shop, List<OrderMessage> messages)
    {
        await shop.SettledAsync(messages, Cancelled);
        Assert.Equal(messages.Count, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(0, await shop.MySqlStockAsync(Cancelled));
        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }
}
