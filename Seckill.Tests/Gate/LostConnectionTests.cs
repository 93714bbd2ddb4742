using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Api.Gate;
using Seckill.Api.Publishing;
using Seckill.Ordering.Holding;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using StackExchange.Redis;

namespace Seckill.Tests.Gate;

/// <summary>The client gives up a connection and fails the calls in flight with exceptions that are not its own.</summary>
[Trait("Category", "Quick")]
public sealed class LostConnectionTests
{
    private static readonly SkuKeys Sku = new(1);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>Two ways in which it happens.</summary>
    private static Exception[] Bare =>
        [new InvalidOperationException("Reading is not allowed after reader was completed."), new TaskCanceledException()];

    [Fact]
    public async Task A_lane_asks_no_more_than_a_probe_from_then_on()
    {
        foreach (var bare in Bare)
        {
            var (time, options) = (new SetClock(), new GateOptions());
            var lane = Lane(LostRedis.With(bare), options, time);
            var first = Click();
            Assert.True(lane.TryAsk(first));

            await Assert.ThrowsAsync<RedisConnectionException>(() => first.Answered.WaitAsync(Cancelled));

            Assert.False(lane.TryAsk(Click()));
            time.Move(TimeSpan.FromMilliseconds(options.AwayProbeEveryMs));
            Assert.True(lane.TryAsk(Click()));
            lane.Complete();
            await lane.Completion.WaitAsync(Cancelled);
        }
    }

    [Fact]
    public async Task Calls_fail_as_with_a_Redis_that_is_away()
    {
        foreach (var bare in Bare)
        {
            var redis = LostRedis.With(bare);
            var (ledger, recovery, held) = (new StockLedger(redis), new StockRecovery(redis), new HeldMessages(redis));
            var clicks = new ClickLookUp(redis, recovery);

            await FailsAsync(() => ledger.FindAsync(Sku, 1, "click", Cancelled));
            await FailsAsync(() => ledger.FindAsync(Sku, 7, Cancelled));
            await FailsAsync(() => ledger.ConfirmAsync(Sku, [7], 1, Cancelled));
            await FailsAsync(() => ledger.BuyersAsync(Sku, 1, Cancelled));
            await FailsAsync(() => recovery.SnapshotAsync(Sku, 0, Cancelled));
            await FailsAsync(() => recovery.CloseAsync(Sku, Cancelled));
            await FailsAsync(() => clicks.FindAsync(Sku, 1, "click", 1, Cancelled));
            await FailsAsync(() => clicks.HasNeverHeardOfAsync(Sku, 1, null, Cancelled));
            await FailsAsync(() => held.ReadAsync(Cancelled));
            // These say that they do not know.
            Assert.Null(Assert.Single(await recovery.SnapshotAsync([Sku], Cancelled)));
            Assert.Null((await ledger.StockAsync([Sku], Cancelled))[Sku.SkuId]);
            Assert.False(await ledger.TakesWritesAsync(Cancelled));
        }

        static async Task FailsAsync(Func<Task> call) => await Assert.ThrowsAsync<RedisConnectionException>(call);
    }

    private static GateLane Lane(IConnectionMultiplexer redis, GateOptions options, TimeProvider time)
    {
        var ledger = new StockLedger(redis);
        var publisher = new OrderPublisher(
            new ConnectionFactory(), new OutboxConfirmations(ledger, time, NullLogger<OutboxConfirmations>.Instance),
            new PublishingHealth(time), new PulseCounters(), Options.Create(new PublishOptions()), time,
            NullLogger<OrderPublisher>.Instance);
        return new GateLane(Sku, ledger, new StockRecovery(redis), publisher, options, time, NullLogger.Instance, CancellationToken.None);
    }

    private static PurchaseAttempt Click() => new(Sku, new ReserveRequest(7, 1, 1, null, null), default, null);
}
