using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Api.Gate;
using Seckill.Api.Publishing;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using Seckill.Tests.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Gate;

/// <summary>One SKU's lane in front of a real Redis whose answers can be held back.</summary>
public sealed class GateLaneTests(RedisFixture redis) : IClassFixture<RedisFixture>, IAsyncLifetime
{
    private const int BatchSize = 8;
    private const int CallsInFlight = 3;
    private const int Buyers = 40;
    private const int HeldMsMax = 120_000;

    /// <summary>Longer than any test takes. Only a process that reads it from its settings is limited to a second.</summary>
    private const int ShieldMs = 600_000;

    private readonly SkuOnTrial _sku = new(redis);
    private readonly HeldReplies _replies = new(redis.ConnectionString.Split(',')[0]);
    private ConnectionMultiplexer _connection = null!;
    private GateLane _lane = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var options = ConfigurationOptions.Parse(redis.ConnectionString);
        options.EndPoints.Clear();
        options.EndPoints.Add(_replies.Address);
        // The client must not time out on held answers.
        options.AsyncTimeout = HeldMsMax;
        // Nor may an answer to the client's own commands count as one to a click: no keep-alive, and both connections are open.
        (options.KeepAlive, options.ConfigCheckSeconds) = (HeldMsMax / 1_000, HeldMsMax / 1_000);
        _connection = await ConnectionMultiplexer.ConnectAsync(options);
        await _connection.GetSubscriber().PingAsync();
        var ledger = new StockLedger(_connection);
        // Never started, so there is no broker: an accepted order is left to the outbox and answered at once.
        var publisher = new OrderPublisher(
            new ConnectionFactory(), new OutboxConfirmations(ledger, TimeProvider.System, NullLogger<OutboxConfirmations>.Instance),
            new PublishingHealth(TimeProvider.System), new PulseCounters(), Options.Create(new PublishOptions()), TimeProvider.System,
            NullLogger<OrderPublisher>.Instance);
        _lane = new GateLane(
            _sku.Keys, ledger, new StockRecovery(_connection), publisher,
            new GateOptions
            {
                BatchSizeMax = BatchSize,
                CallsInFlightMax = CallsInFlight,
                AnswerWithinMs = 30_000,
                // However slow the machine is, the shield neither expires between two steps of a test nor lets a probe through.
                ShieldHoldMs = ShieldMs,
                ShieldProbeEveryMs = ShieldMs,
            },
            TimeProvider.System, NullLogger.Instance, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        _replies.Release();
        _lane.Complete();
        await _lane.Completion;
        await _connection.DisposeAsync();
        await _replies.DisposeAsync();
    }

    [Fact]
    public async Task Full_batches_go_to_Redis_while_it_has_not_answered_the_first()
    {
        await WarmAsync(stock: 1_000);

        var clicks = await AskAtOnceAsync();
        var reserved = await Deadline.UntilAsync(
            async () => 1_000 - await _sku.StockAsync(), count => count >= BatchSize * CallsInFlight, Cancelled);

        Assert.Equal(BatchSize * CallsInFlight, reserved);
        Assert.DoesNotContain(clicks, click => click.Answered.IsCompleted);
        _replies.Release();
        Assert.All(await Task.WhenAll(clicks.Select(click => click.Answered)), answer => Assert.Equal(ReserveCode.Accepted, answer.Code));
        Assert.Equal(1_000 - Buyers, await _sku.StockAsync());
    }

    [Fact]
    public async Task The_shield_that_several_calls_at_once_arm_knows_all_who_have_an_order()
    {
        const int stock = BatchSize + 3;
        await WarmAsync(stock);
        var clicks = await AskAtOnceAsync();
        await Deadline.UntilAsync(_sku.StockAsync, left => left == 0, Cancelled);

        _replies.Release();
        var answers = await Task.WhenAll(clicks.Select(click => click.Answered));
        // Closed to new buyers.
        await Deadline.UntilAsync(() => Task.FromResult(_lane.Shield.Refuses(Buyers + 1)), refused => refused, Cancelled);

        Assert.Equal(stock, answers.Count(answer => answer.Code == ReserveCode.Accepted));
        Assert.Equal(Buyers - stock, answers.Count(answer => answer.Code == ReserveCode.SoldOut));
        Assert.All(
            clicks.Where((_, i) => answers[i].Code == ReserveCode.Accepted),
            click => Assert.False(_lane.Shield.Refuses(click.Request.UserId)));
    }

    [Fact]
    public async Task A_buyer_who_clicks_again_and_again_does_not_have_all_buyers_read_again()
    {
        const int repeats = 20;
        const string click = "the same click";
        await WarmAsync(stock: 0);
        Assert.Equal(ReserveCode.Accepted, (await Ask(1, click).Answered).Code);
        Assert.Equal(ReserveCode.SoldOut, (await Ask(2).Answered).Code);
        await Deadline.UntilAsync(() => Task.FromResult(_lane.Shield.Refuses(3)), refused => refused, Cancelled);
        var before = await BuyerReadsAsync();

        for (var i = 0; i < repeats; i++)
        {
            Assert.Equal(ReserveCode.Duplicate, (await Ask(1, click).Answered).Code);
            Assert.Equal(ReserveCode.NumberUsed, (await Ask(1, click, quantity: 2).Answered).Code);
            // If a repeat opens the shield, the next refused click arms it again.
            Assert.Equal(ReserveCode.SoldOut, (await Ask(3).Answered).Code);
        }

        Assert.Equal(before, await BuyerReadsAsync());
        await Deadline.UntilAsync(() => Task.FromResult(_lane.Shield.Refuses(3)), refused => refused, Cancelled);
        Assert.False(_lane.Shield.Refuses(1));
    }

    [Fact]
    public async Task Stock_that_is_returned_while_the_buyers_are_read_keeps_the_shield_open()
    {
        await WarmAsync(stock: 0);
        Assert.Equal(ReserveCode.Accepted, (await Ask(1).Answered).Code);
        _replies.Hold();
        var refused = Ask(2);
        await Deadline.UntilAsync(() => Task.FromResult(_replies.HeldCount), count => count > 0, Cancelled);
        // This reply shows that nothing is left; the next ones, with the buyers, are held back.
        _replies.ReleaseHeld();
        Assert.Equal(ReserveCode.SoldOut, (await refused.Answered).Code);

        // As GateLanes does it for the outcome of another order.
        _lane.Shield.Open();
        _replies.Release();
        _lane.Complete();
        await _lane.Completion.WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), Cancelled);

        Assert.False(_lane.Shield.Refuses(3));
    }

    [Fact]
    public async Task A_copy_of_Redis_that_has_lost_reservations_shuts_the_gate_with_its_first_reply()
    {
        await WarmAsync(stock: 10);
        var copy = await Task.WhenAll(_sku.Keys.All.Select(key => _sku.Database.KeyDumpAsync(key)));
        for (var buyer = 1; buyer <= 3; buyer++)
        {
            Assert.Equal(ReserveCode.Accepted, (await Ask(buyer).Answered).Code);
        }

        await _sku.Database.KeyDeleteAsync(_sku.Keys.All);
        foreach (var (key, value) in _sku.Keys.All.Zip(copy).Where(entry => entry.Second is not null))
        {
            await _sku.Database.KeyRestoreAsync(key, value!);
        }

        await Ask(4).Answered;
        await Deadline.UntilAsync(
            () => _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled), snapshot => snapshot.Closed, Cancelled);
        Assert.Equal(ReserveCode.Cold, (await Ask(5).Answered).Code);

        // A load opens it again.
        await _sku.WarmAsync(10, epoch: 1);
        Assert.Equal(ReserveCode.Accepted, (await Ask(6).Answered).Code);
        Assert.Equal(ReserveCode.Accepted, (await Ask(7).Answered).Code);
        Assert.False((await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled)).Closed);
    }

    /// <summary>How often all buyers of a SKU were read from Redis.</summary>
    private async Task<string> BuyerReadsAsync()
    {
        var statistics = (string)(await redis.Connection.GetDatabase().ExecuteAsync("INFO", "commandstats"))!;
        return statistics.Split('\n').Single(line => line.StartsWith("cmdstat_hkeys:", StringComparison.Ordinal)).Split(',')[0];
    }

    /// <summary>
    /// Stock for the clicks and for two before them, a script that Redis has loaded, and a lane that has Redis's clock: otherwise the
    /// answers for these would be held back as well.
    /// </summary>
    private async Task WarmAsync(int stock)
    {
        await _sku.WarmAsync(stock + 2);
        await Ask(Buyers + 2).Answered;
    }

    /// <summary>All buyers' clicks wait behind another buyer's call until it is answered; their own answers are held back.</summary>
    private async Task<PurchaseAttempt[]> AskAtOnceAsync()
    {
        _replies.Hold();
        Ask(Buyers + 3);
        await Deadline.UntilAsync(() => Task.FromResult(_replies.HeldCount), count => count > 0, Cancelled);
        PurchaseAttempt[] clicks = [.. Enumerable.Range(1, Buyers).Select(Ask)];
        _replies.ReleaseHeld();
        return clicks;
    }

    private PurchaseAttempt Ask(int buyer) => Ask(buyer, null);

    private PurchaseAttempt Ask(int buyer, string? number, int quantity = 1)
    {
        var click = new PurchaseAttempt(
            _sku.Keys, new ReserveRequest(SkuOnTrial.NextOrder(), buyer, quantity, number, null), default, null);
        Assert.True(_lane.TryAsk(click));
        return click;
    }
}
