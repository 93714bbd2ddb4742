using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

public sealed class WarmAndOutboxTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const int NoGrace = 0;

    private readonly SkuOnTrial _sku = new(redis);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_first_load_sets_stock_and_epoch()
    {
        Assert.Equal(new WarmResult(true, 1, 100), await _sku.WarmAsync(100));
        Assert.Equal("100", (string?)await _sku.Database.StringGetAsync(_sku.Keys.Stock));
        Assert.Equivalent(
            new LedgerSnapshot(
                100, 1, Held: 0, Unsettled: 0, Unconfirmed: 0, SameServer: true, Closed: false, [], ReservedUnits: 0, ToldIds: [])
            {
                LoadToken = _sku.LastToken,
            },
            await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled), strict: true);
        Assert.NotNull(await _sku.Database.KeyTimeToLiveAsync(_sku.Keys.Stock));
    }

    [Fact]
    public async Task A_running_counter_is_never_loaded_over_but_gets_new_terms()
    {
        await _sku.WarmAsync(100, terms: SkuOnTrial.Terms(limit: 1));
        await _sku.ReserveAsync(1);

        Assert.Equal(new WarmResult(false, 1, 99), await _sku.WarmAsync(100, epoch: 1, SkuOnTrial.Terms(limit: 2)));
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);
        Assert.Equal(2, await _sku.HeldAsync());
    }

    [Fact]
    public async Task Unsettled_orders_are_listed_however_many_they_are()
    {
        const int count = StockRecovery.UnsettledIdsMax + 1_000;
        foreach (var ids in Enumerable.Range(1, count).Chunk(5_000))
        {
            await _sku.Database.SortedSetAddAsync(_sku.Keys.Outbox, [.. ids.Select(id => new SortedSetEntry(id, id))]);
        }

        Assert.Null((await _sku.Recovery.SnapshotAsync(_sku.Keys, StockRecovery.UnsettledIdsMax, Cancelled)).UnsettledIds);
        Assert.Equal(count, (await _sku.Recovery.UnsettledIdsAsync(_sku.Keys, Cancelled)).Count);
    }

    [Fact]
    public async Task A_load_that_comes_late_changes_nothing()
    {
        await _sku.WarmAsync(10);
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        var seen = await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);
        await _sku.WarmAsync(10, epoch: 1);
        await _sku.ReserveAsync(1, 6);
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);

        var late = await _sku.Ledger.WarmAsync(
            _sku.Keys, 10, seen.Load!.Value, LoadId.NewToken(), SkuOnTrial.Terms(paused: true), [], Cancelled, seen);

        Assert.Equal(new WarmResult(false, 2, 0, Refused: true), late);
        Assert.Equal(4, await _sku.StockAsync());
        Assert.Equal(0, await _sku.Database.HashGetAsync(_sku.Keys.Sale, "paused"));
    }

    [Fact]
    public async Task A_load_that_died_before_MySQL_had_the_epoch_is_done_again()
    {
        await _sku.WarmAsync(100);
        await _sku.ReserveAsync(1);

        // MySQL still says 0.
        Assert.Equal(new WarmResult(true, 2, 100), await _sku.WarmAsync(100));
        Assert.Equal(0, await _sku.HeldAsync());
    }

    [Fact]
    public async Task A_load_that_died_is_done_again_when_MySQLs_epoch_has_caught_up_with_it()
    {
        await _sku.WarmAsync(100);
        var stored = new LoadId(1, _sku.LastToken);
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        // Dies before MySQL hears of epoch 2; then stock is added through another instance, which raises MySQL's epoch to 2.
        await Ledger(stored, LoadId.NewToken(), 100);
        var raised = new LoadId(2, LoadId.NewToken());

        Assert.Equal(new WarmResult(true, 3, 150), await Ledger(raised, LoadId.NewToken(), 150));

        Task<WarmResult> Ledger(LoadId mySql, long token, long stock) =>
            _sku.Ledger.WarmAsync(_sku.Keys, stock, mySql, token, SkuOnTrial.Terms(), [], Cancelled);
    }

    [Fact]
    public async Task A_call_that_was_decided_on_another_load_with_the_same_epoch_changes_nothing()
    {
        await _sku.WarmAsync(10);
        var seen = await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);
        await _sku.Database.KeyDeleteAsync(_sku.Keys.All);
        await _sku.WarmAsync(8);
        Assert.Equal(seen.Epoch, (await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled)).Epoch);

        var late = await _sku.Ledger.WarmAsync(
            _sku.Keys, 10, new LoadId(0, null), LoadId.NewToken(), SkuOnTrial.Terms(), [], Cancelled, seen);

        Assert.True(late.Refused);
        Assert.Equal(8, await _sku.StockAsync());
    }

    [Fact]
    public async Task What_was_loaded_without_a_token_is_the_load_that_MySQL_has_without_one()
    {
        await _sku.WarmAsync(10);
        await _sku.Database.HashDeleteAsync(_sku.Keys.Sale, "load");

        Assert.Equal(new WarmResult(false, 1, 10), await WarmAsync(new LoadId(1, null)));
        Assert.Equal(new WarmResult(true, 2, 10), await WarmAsync(new LoadId(1, 7)));

        Task<WarmResult> WarmAsync(LoadId mySql) =>
            _sku.Ledger.WarmAsync(_sku.Keys, 10, mySql, LoadId.NewToken(), SkuOnTrial.Terms(), [], Cancelled);
    }

    [Fact]
    public async Task An_account_that_may_not_ask_which_server_it_is_loads_and_sells()
    {
        var user = $"quiet-{_sku.Keys.SkuId}";
        await _sku.Database.ExecuteAsync("ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all", "-info");
        var options = ConfigurationOptions.Parse(redis.ConnectionString);
        (options.User, options.Password) = (user, "secret");
        await using var connection = await ConnectionMultiplexer.ConnectAsync(options);
        var (ledger, recovery) = (new StockLedger(connection), new StockRecovery(connection));
        var token = LoadId.NewToken();

        var loaded = await ledger.WarmAsync(_sku.Keys, 10, default, token, SkuOnTrial.Terms(), [], Cancelled);
        var reply = await ledger.ReserveAsync(_sku.Keys, [new ReserveRequest(SkuOnTrial.NextOrder(), 1, 1, null, null)], Cancelled);
        var snapshot = await recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);

        Assert.Equal(new WarmResult(true, 1, 10), loaded);
        Assert.Equal(ReserveCode.Accepted, Assert.Single(reply.Results).Code);
        Assert.Equal((9L, new LoadId(1, token)), (snapshot.Stock, snapshot.Load));
        Assert.Null(snapshot.SameServer);
        // Nor is a guess made by one that may ask.
        Assert.Null((await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled)).SameServer);
    }

    [Fact]
    public async Task A_gate_is_closed_only_for_the_load_that_is_meant()
    {
        await _sku.WarmAsync(10);
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled, epoch: 2);
        Assert.False((await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled)).Closed);
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled, epoch: 1);
        Assert.True((await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled)).Closed);
    }

    [Fact]
    public async Task A_buyer_gets_back_what_MySQL_has_and_what_it_does_not_know_yet()
    {
        await _sku.WarmAsync(10);
        var pending = (await _sku.ReserveAsync(7)).OrderId;
        var settled = (await _sku.ReserveAsync(8)).OrderId;
        await _sku.SettleAsync(SkuOnTrial.Verdict(settled, true, "SN", user: 8));
        var expiresAt = DateTimeOffset.UtcNow.AddHours(1);
        BuyerHolding[] holdings = [new(7, 2, pending - 5, [pending]), new(8, 1, settled, []), new(9, 0, 0, []), new(10, 3, 5, [])];

        // The gate is open: what has been reserved meanwhile may not be among it, so nobody gets less than is known here.
        await _sku.Database.HashSetAsync(_sku.Keys.Buyers, 8, $"4|{settled}");
        await _sku.Recovery.RestoreBuyersAsync(_sku.Keys, holdings, lockedEpoch: 1, expiresAt, Cancelled);
        Assert.Equal([$"3|{pending}", $"4|{settled}", default, "3|5"], await BuyersAsync());

        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        await _sku.Recovery.RestoreBuyersAsync(_sku.Keys, holdings, lockedEpoch: 1, expiresAt, Cancelled);
        Assert.Equal([$"3|{pending}", $"1|{settled}", default, "3|5"], await BuyersAsync());

        Task<RedisValue[]> BuyersAsync() => _sku.Database.HashGetAsync(_sku.Keys.Buyers, [7, 8, 9, 10]);
    }

    [Fact]
    public async Task After_a_loss_the_epoch_goes_on_from_MySQLs()
    {
        await _sku.WarmAsync(100, epoch: 7);
        await _sku.Database.KeyDeleteAsync(_sku.Keys.All);

        Assert.Null((await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled)).Epoch);
        Assert.Equal(new WarmResult(true, 9, 60), await _sku.WarmAsync(60, epoch: 8));
    }

    [Fact]
    public async Task Stock_of_several_SKUs_is_read_at_once_and_unknown_is_not_nothing()
    {
        var unknown = new SkuOnTrial(redis);
        await _sku.WarmAsync(0);

        var stock = await _sku.Ledger.StockAsync([_sku.Keys, unknown.Keys], Cancelled);

        Assert.Equal(0, stock[_sku.Keys.SkuId]);
        Assert.Null(stock[unknown.Keys.SkuId]);
    }

    [Fact]
    public async Task Unconfirmed_reservations_are_handed_out_once_a_grace_oldest_first()
    {
        await _sku.WarmAsync(10);
        var first = (await _sku.ReserveAsync(1, 1, "a", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).OrderId;
        await _sku.Database.SortedSetDecrementAsync(_sku.Keys.Outbox, first, 60_000);
        var second = (await _sku.ReserveAsync(2)).OrderId;

        Assert.Empty(await Take(120_000));
        Assert.Equal([first], (await Take(30_000)).Select(r => r.OrderId));
        // Taken is attempted now: nobody else takes it before the grace is over again.
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

    /// <param name="endsInS">A sale that is prolonged, and one that is shortened.</param>
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

        // What an older counter holds is not held by this one.
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
        Assert.Equal([order], (await ReviewAsync(DateTimeOffset.UtcNow.AddHours(-1))).Unlisted);
    }

    [Fact]
    public async Task What_has_fallen_out_of_the_outbox_is_found_and_put_back()
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

        var page = await ReviewAsync(DateTimeOffset.UtcNow.AddHours(-1));
        Assert.Equal([new ToldOrder(told, "SN|2"), new ToldOrder(foreign, "SN4")], page.Told.OrderBy(order => order.OrderId));
        Assert.Equal([lost], page.Unlisted);
        Assert.Empty((await ReviewAsync(DateTimeOffset.UtcNow.AddHours(1))).Told);

        await _sku.Recovery.RecallAsync(_sku.Keys, [lost, told, SkuOnTrial.NextOrder()], Cancelled);
        var snapshot = await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);
        Assert.Equal(new[] { lost, told }.Order(), snapshot.UnsettledIds!.Order());
        Assert.Equal([told], snapshot.ToldIds!);
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

    private async Task<OrdersPage> ReviewAsync(DateTimeOffset since) =>
        Assert.Single(await _sku.Recovery.ReviewAsync(_sku.Keys, since, Cancelled).ToListAsync(Cancelled));

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
