using System.Collections.Concurrent;
using System.Globalization;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

public sealed class WarmTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
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

    /// <summary>A frozen instance resumes the sale after another one has paused it again, which changes neither load nor counter.</summary>
    [Fact]
    public async Task A_change_of_terms_that_comes_late_changes_nothing()
    {
        await _sku.WarmAsync(10, terms: SkuOnTrial.Terms(paused: true));
        var seen = await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled);
        await _sku.WarmAsync(10, epoch: 1, SkuOnTrial.Terms(paused: true));

        Assert.Equal(new WarmResult(false, 1, 0, Refused: true), await ResumeAsync(seen));
        Assert.Equal(ReserveCode.Paused, (await _sku.ReserveAsync(1)).Code);

        Assert.Equal(
            new WarmResult(false, 1, 10), await ResumeAsync(await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled)));
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);

        Task<WarmResult> ResumeAsync(LedgerSnapshot basis) => _sku.Ledger.WarmAsync(
            _sku.Keys, 10, new LoadId(1, _sku.LastToken), LoadId.NewToken(), SkuOnTrial.Terms(), null, Cancelled, basis);
    }

    /// <summary>It does not know which orders MySQL has decided, and would sell the units of the others.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_change_of_terms_loads_no_counter_that_was_closed_or_lost_meanwhile(bool closed)
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(1);
        var seen = await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled);
        Assert.Equal(new WarmResult(false, 1, 9), await PauseAsync(seen));
        seen = await _sku.Recovery.SnapshotAsync(_sku.Keys, 0, Cancelled);
        await (closed ? _sku.Recovery.CloseAsync(_sku.Keys, Cancelled) : _sku.Database.KeyDeleteAsync(_sku.Keys.Stock));

        Assert.Equal(new WarmResult(false, 1, 0, Refused: true), await PauseAsync(seen));
        Assert.Equal(1, await _sku.HeldAsync());

        Task<WarmResult> PauseAsync(LedgerSnapshot basis) => _sku.Ledger.WarmAsync(
            _sku.Keys, 10, new LoadId(1, _sku.LastToken), LoadId.NewToken(), SkuOnTrial.Terms(paused: true), null, Cancelled, basis,
            termsOnly: true);
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
        // Dies before MySQL records epoch 2; then stock is added through another instance, which raises MySQL's epoch to 2.
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
    public async Task A_counter_loaded_without_a_token_is_the_load_that_MySQL_has_without_one()
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
        // An account that may ask does not guess either.
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

        // The gate is open: reservations made meanwhile may be missing, so nobody's units are reduced.
        await _sku.Database.HashSetAsync(_sku.Keys.Buyers, 8, $"4|{settled}");
        await _sku.Recovery.RestoreBuyersAsync(_sku.Keys, holdings, lockedEpoch: 1, expiresAt, Cancelled);
        Assert.Equal([$"3|{pending}", $"4|{settled}", default, "3|5"], await BuyersAsync());

        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        await _sku.Recovery.RestoreBuyersAsync(_sku.Keys, holdings, lockedEpoch: 1, expiresAt, Cancelled);
        Assert.Equal([$"3|{pending}", $"1|{settled}", default, "3|5"], await BuyersAsync());

        Task<RedisValue[]> BuyersAsync() => _sku.Database.HashGetAsync(_sku.Keys.Buyers, [7, 8, 9, 10]);
    }

    /// <summary>As after a slip in SQL. Keys of a sale that ended long ago would expire at once, with the orders in the outbox.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_end_of_long_ago_deletes_no_orders(bool loads)
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(7, 3, click: "one");
        var terms = SkuOnTrial.Terms(startsInS: -31 * 86_400, endsInS: -30 * 86_400);

        Assert.Equal(new WarmResult(loads, loads ? 2 : 1, 7), await _sku.WarmAsync(10, loads ? 0 : 1, terms, loads ? [] : null));
        await _sku.Recovery.RestoreBuyersAsync(_sku.Keys, [], lockedEpoch: null, terms.EndsAt, Cancelled);

        Assert.Equal(1, await _sku.Database.SortedSetLengthAsync(_sku.Keys.Outbox));
        // Another producer's order: its keys are new, and must not stay for ever either.
        await _sku.Database.KeyDeleteAsync([_sku.Keys.Orders, _sku.Keys.Buyers, _sku.Keys.Clicks]);
        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(5, true, "SN", user: 9)));
        foreach (var key in (RedisKey[])[_sku.Keys.Stock, _sku.Keys.Sale, _sku.Keys.Orders, _sku.Keys.Buyers, _sku.Keys.Outbox])
        {
            Assert.InRange((await _sku.Database.KeyTimeToLiveAsync(key))!.Value, TimeSpan.FromHours(23), TimeSpan.FromHours(24));
        }
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(0, false)]
    public async Task A_load_with_stock_is_told_to_all_instances(int stock, bool isTold)
    {
        const string Last = "the last message";
        var heard = new ConcurrentQueue<string>();
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var subscriber = redis.Connection.GetSubscriber();
        var channel = RedisChannel.Literal(StockLedger.OutcomeChannel);
        void Hear(RedisChannel from, RedisValue message)
        {
            heard.Enqueue(message.ToString());
            if (message == Last)
            {
                told.TrySetResult();
            }
        }

        await subscriber.SubscribeAsync(channel, Hear);
        await _sku.WarmAsync(stock);
        await subscriber.PublishAsync(channel, Last);
        await told.Task.WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), Cancelled);
        await subscriber.UnsubscribeAsync(channel, Hear);

        Assert.Equal(isTold, heard.Contains(string.Create(CultureInfo.InvariantCulture, $"{_sku.Keys.SkuId}\n{stock}")));
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
}
