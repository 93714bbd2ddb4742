using System.Net;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Tests.EndToEnd;
using StackExchange.Redis;

namespace Seckill.Tests.Faults;

/// <summary>Redis comes back with less data, in the middle of a sale and with orders in the queue.</summary>
[Collection(nameof(FaultSystem))]
public sealed class RedisLossTests(FaultSystem faults)
{
    private const int UnitsEach = 60;
    private const int EarlyCount = 12;
    private const int QueuedCount = 24;
    private const int LateCount = 150;
    private const int TimeoutMs = 120_000;

    /// <summary>Three seconds in all: less than the broker waits for a paused worker.</summary>
    private const int LooksWhileHeld = 12;

    private const int LookEveryMs = 250;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("flushed")]
    [InlineData("restarted without its data")]
    public async Task Everything_is_lost(string how)
    {
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, UnitsEach);
        var early = await SellToTheLimitAsync(sale);
        await faults.EndAllAsync(system.Workers);
        await sale.RushAllAsync(QueuedCount);
        Assert.Equal(EarlyCount + QueuedCount, sale.Queued.Count);

        if (how == "flushed")
        {
            await system.RedisConnection.GetServer(system.RedisConnection.GetEndPoints()[0]).FlushAllDatabasesAsync();
        }
        else
        {
            await KillRedisAsync(system);
            Directory.Delete(DataOf(system.Redis), recursive: true);
            Directory.CreateDirectory(DataOf(system.Redis));
            await system.Redis.RestartAsync(_cancellation);
        }

        // Orders are in the queue and no worker runs: the gate has to stay closed.
        var closed = await AnswerAsync(early[0], answer => answer.Error == "warming up");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, closed.Status);
        Assert.NotNull(closed.Headers.RetryAfter);

        await system.StartWorkerAsync(_cancellation);
        await AssertLimitHoldsAsync(early);
        await AssertSellsOutCleanlyAsync(sale);
    }

    [Fact]
    public async Task Orders_in_a_workers_hands_are_waited_for_like_those_in_the_queue()
    {
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, UnitsEach);
        var early = await SellToTheLimitAsync(sale);
        var worker = Assert.Single(system.Workers);
        worker.Pause();
        try
        {
            await sale.RushAsync(QueuedCount);
            await using var broker = await system.OpenRabbitMqAsync(_cancellation);
            await using var channel = await broker.CreateChannelAsync(cancellationToken: _cancellation);
            await Deadline.UntilAsync(
                () => channel.MessageCountAsync(OrderTopology.Queue, _cancellation), ready => ready == 0, _cancellation);
            await system.RedisConnection.GetServer(system.RedisConnection.GetEndPoints()[0]).FlushAllDatabasesAsync();

            // The queue looks empty from the first check on; the gate must not open because of that.
            await AnswerAsync(early[0], answer => answer.Error == "warming up");
            for (var look = 0; look < LooksWhileHeld; look++)
            {
                Assert.Equal("warming up", (await AnswerAsync(early[0], answer => answer.Error != "busy")).Error);
                await Task.Delay(LookEveryMs, _cancellation);
            }
        }
        finally
        {
            worker.Continue();
        }

        await AssertLimitHoldsAsync(early);
        await AssertSellsOutCleanlyAsync(sale);
    }

    [Fact]
    public async Task A_fail_over_forgets_the_last_moments()
    {
        var system = await faults.ReadyAsync(_cancellation);
        var password = ConfigurationOptions.Parse(system.Redis.ConnectionString).Password!;
        await using var replica = await RedisServer.StartAsync(
            new RedisServerOptions
            {
                Password = password,
                ExtraArguments = ["--replicaof", "127.0.0.1", $"{system.Redis.Port}", "--masterauth", password],
            }, _cancellation);
        await using var toReplica = await ConnectionMultiplexer.ConnectAsync(replica.ConnectionString + ",allowAdmin=true");
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, UnitsEach);
        var early = await SellToTheLimitAsync(sale);
        var epoch = await sale.StoreEpochAsync(sale.Skus[0]);

        // The replica stops replicating; later writes are lost with the primary.
        await faults.EndAllAsync(system.Workers);
        await Deadline.UntilAsync(
            () => BuyerAtAsync(toReplica, sale.Skus[0], early[0].UserId), value => value is not null, _cancellation, TimeoutMs);
        await toReplica.GetDatabase().ExecuteAsync("REPLICAOF", "NO", "ONE");
        await sale.RushAllAsync(QueuedCount);
        Assert.Equal(EarlyCount + QueuedCount, sale.Queued.Count);
        await KillRedisAsync(system);

        // The promoted replica under the primary's address, as seen through a proxy or by a sentinel-aware client.
        await replica.StopAsync(_cancellation);
        Directory.Delete(DataOf(system.Redis), recursive: true);
        Directory.Move(DataOf(replica), DataOf(system.Redis));
        await system.Redis.RestartAsync(_cancellation);

        // The SKUs are known, but the server is not the one that took the last load: they are loaded again.
        await Deadline.UntilAsync(() => sale.StoreEpochAsync(sale.Skus[0]), now => now > epoch, _cancellation, TimeoutMs);
        await system.StartWorkerAsync(_cancellation);
        await AssertLimitHoldsAsync(early);
        await AssertSellsOutCleanlyAsync(sale);
    }

    /// <summary>Null while the replica is still loading the primary's data.</summary>
    private static async Task<string?> BuyerAtAsync(ConnectionMultiplexer replica, SkuKeys sku, long userId)
    {
        try
        {
            return await replica.GetDatabase().HashGetAsync(sku.Buyers, userId, CommandFlags.DemandReplica | CommandFlags.NoRedirect);
        }
        catch (RedisServerException loading) when (loading.Message.StartsWith("LOADING", StringComparison.Ordinal))
        {
            return null;
        }
    }

    /// <summary>Buyers who have reached the limit, with their orders written and settled.</summary>
    private async Task<IReadOnlyList<Click>> SellToTheLimitAsync(SaleOnTrial sale)
    {
        var early = sale.NewClicks(EarlyCount, SaleOnTrial.LimitPerUser);
        await sale.SendAsync(early);
        await sale.RepeatUnansweredAsync();
        await sale.OutcomesAsync();
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled == 0, _cancellation, TimeoutMs);
        return early;
    }

    private async Task KillRedisAsync(LocalSystem system)
    {
        system.Redis.Kill();
        await system.Redis.Exited.WaitAsync(_cancellation);
    }

    private async Task AssertLimitHoldsAsync(IReadOnlyList<Click> early)
    {
        foreach (var click in early)
        {
            var answer = await AnswerAsync(click, answer => answer.Status != HttpStatusCode.ServiceUnavailable);
            Assert.Equal("limit reached", answer.Error);
        }
    }

    private static async Task AssertSellsOutCleanlyAsync(SaleOnTrial sale)
    {
        // More than the stock.
        await sale.RushAllAsync(LateCount);
        await sale.RushAllAsync(LateCount, quantity: 1);
        var outcomes = await sale.OutcomesAsync();
        Assert.NotEmpty(sale.Refused);
        Assert.Equal(sale.Queued.Count, outcomes.Values.Sum());
        await sale.AssertConservedAsync(outcomes);
    }

    /// <summary>Sends new clicks of the same buyer, one unit each, until the answer meets the condition.</summary>
    private async Task<ApiAnswer> AnswerAsync(Click click, Func<ApiAnswer, bool> condition)
    {
        using var client = faults.System.Client();
        return await Deadline.UntilAsync(
            () => client.BuyAsync(click.Token, click.SkuId, _cancellation, 1, Guid.NewGuid().ToString()), condition, _cancellation,
            TimeoutMs);
    }

    private static string DataOf(RedisServer server) => Path.Combine(server.DataFolder, "data");
}
