using System.Globalization;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

/// <summary>Buyers restored by a load while orders are settled: histories found by the search of the protocol.</summary>
public sealed class RestoreTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const long User = 1;

    private readonly SkuOnTrial _sku = new(redis);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_that_is_settled_between_restoring_and_loading_is_not_counted_twice()
    {
        await _sku.WarmAsync(10);
        var order = SkuOnTrial.NextOrder();
        // A replica without the reservation has taken over; the worker has written its order in epoch 1.
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        var seen = await SnapshotAsync();
        await RestoreAsync(lockedEpoch: 1, new BuyerHolding(User, 1, order, []));

        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1")));
        var loaded = await LoadAsync(9, new LoadId(1, _sku.LastToken), seen with { Counted = 1 });

        Assert.Equal(new WarmResult(true, 2, 9), loaded);
        Assert.Equal(1, await UnitsAsync());
    }

    [Fact]
    public async Task Orders_that_are_settled_after_they_were_given_back_without_the_lock_are_not_counted_twice()
    {
        await RestoreAsync(lockedEpoch: 0);
        await _sku.WarmAsync(10);
        // A replica without the reservations has taken over, and MySQL has their orders in epoch 1. It is unknown whether the
        // rest of the load will ever follow.
        var (first, second) = (SkuOnTrial.NextOrder(), SkuOnTrial.NextOrder());
        await RestoreAsync(lockedEpoch: 1);
        await RestoreAsync(lockedEpoch: null, new BuyerHolding(User, 2, second, []));

        foreach (var order in (long[])[first, second])
        {
            Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1")));
        }

        Assert.Equal(2, await UnitsAsync());
    }

    [Fact]
    public async Task An_order_from_before_a_load_that_restores_nobody_is_counted_when_it_is_settled()
    {
        await RestoreAsync(lockedEpoch: 0);
        await _sku.WarmAsync(10);
        // The replica does not have the reservation. Stock is added, which raises MySQL's epoch, and the order is written in the new epoch.
        var order = SkuOnTrial.NextOrder();
        var seen = await SnapshotAsync();
        Assert.Equal(0, seen.Counted);

        // The counter appears to be only outdated.
        Assert.Equal(new WarmResult(true, 3, 14), await LoadAsync(14, new LoadId(2, LoadId.NewToken()), seen));
        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1") with { CommittedEpoch = 2 });

        Assert.Equal((14L, 1L), (await _sku.StockAsync(), await UnitsAsync()));
        Assert.Equal(0, (await SnapshotAsync()).Counted);
    }

    [Fact]
    public async Task A_load_that_was_decided_on_another_server_changes_nothing()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(User)).OrderId;
        var seen = await SnapshotAsync();
        Assert.NotNull(seen.RunId);
        var stored = new LoadId(1, _sku.LastToken);

        // The load was decided on when the order was settled there; this server has the same load, and the order unsettled.
        var late = await LoadAsync(9, stored, seen with { RunId = new string('0', seen.RunId.Length) }, paused: true);

        Assert.Equal(new WarmResult(false, 1, 0, Refused: true), late);
        Assert.Equal((9L, 1L), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal(0, await _sku.Database.HashGetAsync(_sku.Keys.Sale, "paused"));
        // An account that may not read the run id cannot notice.
        Assert.Equal(new WarmResult(true, 2, 9), await LoadAsync(9, stored, seen with { RunId = null }, decided: [order]));
    }

    [Fact]
    public async Task A_load_that_other_buyers_were_restored_for_changes_nothing()
    {
        await RestoreAsync(lockedEpoch: 0);
        await _sku.WarmAsync(10);
        var seen = await SnapshotAsync();

        // A copy from before the restore that this load was decided on.
        Assert.True((await LoadAsync(10, new LoadId(1, _sku.LastToken), seen with { Counted = 1 })).Refused);
        // And one from before any restore.
        await _sku.Database.HashDeleteAsync(_sku.Keys.Sale, "counted");
        Assert.True((await LoadAsync(10, new LoadId(1, _sku.LastToken), seen)).Refused);

        Assert.Equal(new WarmResult(true, 2, 10), await LoadAsync(10, new LoadId(1, _sku.LastToken), await SnapshotAsync()));
    }

    [Fact]
    public async Task A_sale_that_is_lost_after_restoring_is_not_loaded()
    {
        var seen = await SnapshotAsync();
        await RestoreAsync(lockedEpoch: 4, new BuyerHolding(User, 2, 5, []));
        Assert.NotNull(await _sku.Database.KeyTimeToLiveAsync(_sku.Keys.Sale));
        Assert.Equal((null, 4L), ((await SnapshotAsync()).Load, (await SnapshotAsync()).Counted));
        await _sku.Database.KeyDeleteAsync(_sku.Keys.Sale);

        Assert.True((await LoadAsync(10, new LoadId(4, 7), seen with { Counted = 4 })).Refused);
        Assert.False(await _sku.Database.KeyExistsAsync(_sku.Keys.Stock));
    }

    /// <param name="committedEpoch">The epoch in which MySQL committed the order; the counter's epoch is 2.</param>
    /// <param name="units">The buyer's units afterwards.</param>
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    public async Task Without_a_noted_restore_the_counters_epoch_decides(long committedEpoch, long units)
    {
        await _sku.WarmAsync(10, epoch: 1);

        await _sku.SettleAsync(SkuOnTrial.Verdict(SkuOnTrial.NextOrder(), true, "SN1") with { CommittedEpoch = committedEpoch });

        Assert.Equal(units, await UnitsAsync());
    }

    [Fact]
    public async Task Restoring_without_the_row_lock_notes_nothing()
    {
        await RestoreAsync(lockedEpoch: null, new BuyerHolding(User, 2, 5, []));
        Assert.Null((await SnapshotAsync()).Counted);
        Assert.False(await _sku.Database.KeyExistsAsync(_sku.Keys.Sale));
        Assert.Equal(2, await UnitsAsync());
    }

    private Task RestoreAsync(long? lockedEpoch, params BuyerHolding[] buyers) =>
        _sku.Recovery.RestoreBuyersAsync(_sku.Keys, buyers, lockedEpoch, DateTimeOffset.UtcNow.AddHours(1), Cancelled);

    private Task<LedgerSnapshot> SnapshotAsync() => _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);

    private Task<WarmResult> LoadAsync(long stock, LoadId stored, LedgerSnapshot seen, bool paused = false, params long[] decided) =>
        _sku.Ledger.WarmAsync(
            _sku.Keys, stock, stored, LoadId.NewToken(), SkuOnTrial.Terms(paused: paused), decided, Cancelled, seen, again: true);

    private async Task<long> UnitsAsync()
    {
        var buyer = (string?)await _sku.Database.HashGetAsync(_sku.Keys.Buyers, User);
        return buyer is null ? 0 : long.Parse(buyer.Split('|')[0], CultureInfo.InvariantCulture);
    }
}
