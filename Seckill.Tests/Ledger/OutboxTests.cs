using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

public sealed class OutboxTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const int NoGrace = 0;

    private readonly SkuOnTrial _sku = new(redis);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Unconfirmed_reservations_are_handed_out_once_a_grace_oldest_first()
    {
        await _sku.WarmAsync(10);
        var first = (await _sku.ReserveAsync(1, 1, "a", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).OrderId;
        await _sku.Database.SortedSetDecrementAsync(_sku.Keys.Outbox, first, 60_000);
        var second = (await _sku.ReserveAsync(2)).OrderId;

        Assert.Empty(await Take(120_000));
        Assert.Equal([first], (await Take(30_000)).Select(r => r.OrderId));
        // Taking an order marks it as attempted now: nobody else takes it before another grace is over.
        Assert.Empty(await Take(30_000));
        var all = await Take(NoGrace);
        Assert.Equal(new[] { first, second }.Order(), all.Select(r => r.OrderId).Order());
        Assert.Equal("a", all.Single(r => r.OrderId == first).ClientOrderNo);
        Assert.Single(await Take(NoGrace, countMax: 1));
    }

    [Fact]
    public async Task An_attempt_in_the_future_is_due_because_the_clock_was_set_back()
    {
        const int hourMs = 3_600_000;
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        var confirmed = (await _sku.ReserveAsync(2)).OrderId;
        await _sku.Ledger.ConfirmAsync(_sku.Keys, [confirmed], atMs: 1_764_000_000_123, Cancelled);
        await _sku.Database.SortedSetIncrementAsync(_sku.Keys.Outbox, order, hourMs);

        // Two servers' clocks may differ by less than the grace.
        Assert.Empty(await Take(2 * hourMs));
        Assert.Equal([order], (await Take(30_000)).Select(r => r.OrderId));
        Assert.Empty(await Take(30_000));
        Assert.Equal([order], (await Take(NoGrace)).Select(r => r.OrderId));
    }

    /// <param name="endsInS">One value extends the sale, the other shortens it.</param>
    [Theory]
    [InlineData(7_200)]
    [InlineData(60)]
    public async Task All_keys_get_the_new_end_with_the_new_terms(int endsInS)
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(1, 1, "a");
        var terms = SkuOnTrial.Terms(endsInS: endsInS);

        await _sku.WarmAsync(10, epoch: 1, terms);

        foreach (var key in _sku.Keys.All)
        {
            Assert.Equal(
                StockLedger.ExpiryOf(terms).UtcDateTime, (await _sku.Database.KeyExpireTimeAsync(key))!.Value, TimeSpan.FromSeconds(1));
        }
    }

    [Fact]
    public async Task A_snapshot_counts_what_the_outbox_says_is_held()
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(1, 2);
        var other = (await _sku.ReserveAsync(2, 3)).OrderId;
        Assert.Equal((5L, 5L), await HeldAndReservedAsync());

        await _sku.Database.SortedSetRemoveAsync(_sku.Keys.Outbox, other);
        Assert.Equal((5L, 2L), await HeldAndReservedAsync());

        // Units that an older counter holds are not held by this one.
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        await _sku.WarmAsync(10, epoch: 1);
        Assert.Equal((0L, 0L), await HeldAndReservedAsync());
    }

    [Fact]
    public async Task A_foreign_entry_hides_no_order()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.Ledger.ConfirmAsync(_sku.Keys, [order], atMs: 1, Cancelled);
        await _sku.Database.SortedSetAddAsync(_sku.Keys.Outbox, "theirs", StockLedger.ConfirmedScore + 1);
        await _sku.Database.HashSetAsync(_sku.Keys.Orders, "theirs", "P|1|1|1|1||");

        Assert.Equal([order], (await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled)).UnsettledIds);
        var confirmed = await _sku.Recovery.ConfirmedBeforeAsync(_sku.Keys, DateTimeOffset.UtcNow, Cancelled);
        Assert.Equal([order], confirmed.Select(o => o.OrderId));
        await _sku.Database.KeyDeleteAsync(_sku.Keys.Outbox);
        Assert.Equal([order], (await ReviewAsync(hours: 1)).Unlisted);
    }

    [Fact]
    public async Task A_foreign_entry_hides_no_SKU_and_no_buyer()
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(7);
        await _sku.Recovery.NoteAsync([_sku.Keys.SkuId], Cancelled);
        await _sku.Database.SetAddAsync("seckill:skus", "theirs");
        await _sku.Database.HashSetAsync(_sku.Keys.Buyers, "theirs", "1|1");

        Assert.Equal([_sku.Keys.SkuId], await _sku.Recovery.NotedSkuIdsAsync(Cancelled));
        Assert.Equal(7, Assert.Single((await _sku.Ledger.BuyersAsync(_sku.Keys, countMax: 10, Cancelled))!));
    }

    [Fact]
    public async Task A_confirm_from_the_future_is_told_apart()
    {
        await _sku.WarmAsync(10);
        var (now, ahead) = ((await _sku.ReserveAsync(1)).OrderId, (await _sku.ReserveAsync(2)).OrderId);
        var at = DateTimeOffset.UtcNow;
        await _sku.Ledger.ConfirmAsync(_sku.Keys, [now], at.ToUnixTimeMilliseconds(), Cancelled);
        await _sku.Ledger.ConfirmAsync(_sku.Keys, [ahead], at.AddDays(1).ToUnixTimeMilliseconds(), Cancelled);

        Assert.Equal([now], await ConfirmedAsync(at, null));
        Assert.Equal([ahead], await ConfirmedAsync(DateTimeOffset.MaxValue, at.AddHours(1)));

        async Task<IEnumerable<long>> ConfirmedAsync(DateTimeOffset before, DateTimeOffset? after) =>
            (await _sku.Recovery.ConfirmedBeforeAsync(_sku.Keys, before, Cancelled, after)).Select(order => order.OrderId);
    }

    [Fact]
    public async Task An_order_missing_from_the_outbox_is_found_and_put_back()
    {
        await _sku.WarmAsync(10);
        var lost = (await _sku.ReserveAsync(1)).OrderId;
        var told = (await _sku.ReserveAsync(2)).OrderId;
        var failed = (await _sku.ReserveAsync(3)).OrderId;
        await _sku.SettleAsync(SkuOnTrial.Verdict(told, true, "SN|2", user: 2));
        await _sku.SettleAsync(SkuOnTrial.Verdict(failed, false, "no", user: 3));
        var foreign = SkuOnTrial.NextOrder();
        await _sku.SettleAsync(SkuOnTrial.Verdict(foreign, true, "SN4", user: 4) with { MessageEpoch = null });
        await _sku.Database.KeyDeleteAsync(_sku.Keys.Outbox);

        var page = await ReviewAsync(hours: 1);
        Assert.Equal([new ToldOrder(told, "SN|2"), new ToldOrder(foreign, "SN4")], page.Told.OrderBy(order => order.OrderId));
        Assert.Equal([lost], page.Unlisted);
        Assert.Empty((await ReviewAsync(hours: -1)).Told);

        await _sku.Recovery.RecallAsync(_sku.Keys, [lost, told, SkuOnTrial.NextOrder()], Cancelled);
        var snapshot = await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);
        Assert.Equal(new[] { lost, told }.Order(), snapshot.UnsettledIds!.Order());
        Assert.Equal([told], snapshot.ToldIds!);
        // Until it is written again it is missed, however long that takes.
        Assert.Equal([new ToldOrder(told, "SN|2")], (await ReviewAsync(hours: -1)).Told);
        Assert.NotNull(await _sku.Database.KeyTimeToLiveAsync(_sku.Keys.Outbox));
        Assert.Equal([lost, told], (await Take(NoGrace)).Select(r => r.OrderId).Order());

        // Settled before: it leaves the outbox, and nothing else changes.
        var before = (await _sku.StockAsync(), await _sku.HeldAsync());
        Assert.Equal(SettleCode.AlreadySettled, await _sku.SettleAsync(SkuOnTrial.Verdict(told, true, "SN|2", user: 2)));
        Assert.Equal(before, (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal([lost], (await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled)).UnsettledIds);
    }

    [Fact]
    public async Task Confirmed_reservations_stay_in_the_outbox_but_are_not_handed_out()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;

        await _sku.Ledger.ConfirmAsync(_sku.Keys, [order], atMs: 1_764_000_000_123, Cancelled);

        Assert.Empty(await Take(NoGrace));
        Assert.Equal(StockLedger.ConfirmedScore + 1_764_000_000_123, await _sku.Database.SortedSetScoreAsync(_sku.Keys.Outbox, order));
    }

    [Fact]
    public async Task A_confirm_after_settling_brings_nothing_back()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1"));

        await _sku.Ledger.ConfirmAsync(_sku.Keys, [order], atMs: 1, Cancelled);

        Assert.Empty(await Take(NoGrace));
        Assert.Equal(0, await _sku.Database.SortedSetLengthAsync(_sku.Keys.Outbox));
    }

    [Fact]
    public async Task One_SKU_that_cannot_be_asked_and_one_record_that_cannot_be_read_keep_nobody_else_back()
    {
        var bad = new SkuOnTrial(redis);
        await bad.WarmAsync(10);
        await bad.Database.StringSetAsync(bad.Keys.Outbox, "not a sorted set");
        await _sku.WarmAsync(10);
        var unreadable = (await _sku.ReserveAsync(1)).OrderId;
        var order = (await _sku.ReserveAsync(2)).OrderId;
        await _sku.Database.HashSetAsync(_sku.Keys.Orders, unreadable, "?");

        var replies = await _sku.Ledger.TakeUnconfirmedAsync([bad.Keys, _sku.Keys], NoGrace, countMax: 10, Cancelled);

        Assert.Equal([bad.Keys.SkuId, _sku.Keys.SkuId], replies.Select(reply => reply.Sku.SkuId));
        Assert.Contains("WRONGTYPE", replies[0].Error!.Message, StringComparison.Ordinal);
        Assert.IsType<FormatException>(replies[1].Error);
        Assert.Equal([order], replies[1].Due.Select(reservation => reservation.OrderId));
    }

    private async Task<OrdersPage> ReviewAsync(int hours) =>
        Assert.Single(await _sku.Recovery.ReviewAsync(_sku.Keys, TimeSpan.FromHours(hours), Cancelled).ToListAsync(Cancelled));

    private async Task<(long Held, long? Reserved)> HeldAndReservedAsync()
    {
        var snapshot = await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);
        return (snapshot.Held, snapshot.ReservedUnits);
    }

    private async Task<IReadOnlyList<Reservation>> Take(int graceMs, int countMax = 100)
    {
        var reply = Assert.Single(await _sku.Ledger.TakeUnconfirmedAsync([_sku.Keys], graceMs, countMax, Cancelled));
        Assert.Null(reply.Error);
        return reply.Due;
    }
}
