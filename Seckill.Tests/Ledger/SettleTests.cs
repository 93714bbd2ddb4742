using System.Globalization;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

public sealed class SettleTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private readonly SkuOnTrial _sku = new(redis);

    [Fact]
    public async Task A_counter_that_is_no_whole_number_leaves_everything_as_it_was()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1, 2)).OrderId;
        await _sku.Database.StringSetAsync(_sku.Keys.Stock, "8.5");

        var refused = await Assert.ThrowsAsync<RedisServerException>(
            () => _sku.SettleAsync(SkuOnTrial.Verdict(order, success: false, "sold out", quantity: 2)));

        Assert.True(RedisRefusals.IsAboutStoredData(refused), refused.Message);
        Assert.Equal(OrderState.Pending, (await _sku.FindAsync(1))!.State);
        Assert.Equal(2, await _sku.HeldAsync());
        Assert.Equal(1, await _sku.Database.SortedSetLengthAsync(_sku.Keys.Outbox));
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Success_keeps_the_units_and_tells_the_order_number()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1, 2, "a")).OrderId;

        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1", quantity: 2)));

        var reservation = await _sku.FindAsync(1, "a");
        Assert.Equal((OrderState.Success, "SN1"), (reservation!.State, reservation.Detail));
        Assert.NotNull(reservation.SettledAtMs);
        Assert.Equal((8L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal(0, await _sku.Database.SortedSetLengthAsync(_sku.Keys.Outbox));
    }

    [Fact]
    public async Task Keys_follow_the_sale_to_its_later_end_and_one_made_anew_gets_its_time_to_live()
    {
        await _sku.WarmAsync(10);
        await _sku.SettleAsync(SkuOnTrial.Verdict((await _sku.ReserveAsync(1)).OrderId, true, "SN1"));
        var later = SkuOnTrial.Terms(endsInS: 7_200);
        await _sku.WarmAsync(10, epoch: 1, later);
        var order = (await _sku.ReserveAsync(2)).OrderId;
        await _sku.Database.KeyPersistAsync(_sku.Keys.Buyers);

        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN2", user: 2));

        foreach (var key in new[] { _sku.Keys.Orders, _sku.Keys.Buyers })
        {
            Assert.Equal(
                StockLedger.ExpiryOf(later).UtcDateTime, (await _sku.Database.KeyExpireTimeAsync(key))!.Value, TimeSpan.FromSeconds(1));
        }
    }

    [Fact]
    public async Task Of_many_SKUs_settled_together_one_with_a_bad_record_fails_alone_and_a_script_that_Redis_forgot_comes_back()
    {
        SkuOnTrial[] skus = [.. Enumerable.Range(0, 5).Select(_ => new SkuOnTrial(redis))];
        var calls = new List<(SkuKeys Sku, IReadOnlyList<Settlement> Settlements)>();
        foreach (var sku in skus)
        {
            await sku.WarmAsync(10);
            calls.Add((sku.Keys, [SkuOnTrial.Verdict((await sku.ReserveAsync(1)).OrderId, false, "no")]));
        }

        await skus[1].Database.KeyDeleteAsync(skus[1].Keys.Orders);
        await skus[1].Database.StringSetAsync(skus[1].Keys.Orders, "not a hash");
        await _sku.Database.ExecuteAsync("SCRIPT", "FLUSH");

        var replies = await _sku.Ledger.SettleAsync(calls, Cancelled);

        Assert.Contains("WRONGTYPE", replies[1].Error!.Message, StringComparison.Ordinal);
        Assert.Empty(replies[1].Codes);
        foreach (var i in new[] { 0, 2, 3, 4 })
        {
            Assert.Null(replies[i].Error);
            Assert.Equal([SettleCode.Settled], replies[i].Codes);
            Assert.Equal((10L, 0L), (await skus[i].StockAsync(), await skus[i].HeldAsync()));
        }
    }

    [Fact]
    public async Task One_order_that_cannot_be_settled_keeps_back_no_other_of_the_same_call()
    {
        await _sku.WarmAsync(20);
        var others = (await _sku.ReserveAsync(1)).OrderId;
        var broken = (await _sku.ReserveAsync(2)).OrderId;
        var brokenBuyer = (await _sku.ReserveAsync(3)).OrderId;
        var good = (await _sku.ReserveAsync(4)).OrderId;
        await _sku.Database.HashSetAsync(_sku.Keys.Orders, broken, "P|not a record");
        await _sku.Database.HashSetAsync(_sku.Keys.Buyers, 3, "not a buyer");

        var codes = await _sku.Ledger.SettleAsync(
            _sku.Keys,
            [
                SkuOnTrial.Verdict(others, false, "no", user: 9), SkuOnTrial.Verdict(broken, false, "no", user: 2),
                SkuOnTrial.Verdict(brokenBuyer, false, "no", user: 3), SkuOnTrial.Verdict(good, false, "no", user: 4),
            ],
            Cancelled);

        Assert.Equal([SettleCode.OtherBuyer, SettleCode.Unreadable, SettleCode.Unreadable, SettleCode.Settled], codes);
        Assert.Equal((17L, 3L), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal(OrderState.Pending, (await _sku.FindAsync(1))!.State);
        Assert.False(await _sku.Database.HashExistsAsync(_sku.Keys.Buyers, 9));
        Assert.Equal(
            new[] { others, broken, brokenBuyer }.Order(),
            (await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled)).UnsettledIds!.Order());

        // Its own buyer's verdict still finds it, even after a wrong one in the same call.
        Assert.Equal(
            [SettleCode.OtherBuyer, SettleCode.Settled],
            await _sku.Ledger.SettleAsync(
                _sku.Keys, [SkuOnTrial.Verdict(others, false, "no", user: 9), SkuOnTrial.Verdict(others, false, "no")], Cancelled));
        Assert.Equal((18L, 2L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task Failure_gives_the_units_back_once_however_often_it_is_told()
    {
        await _sku.WarmAsync(10, terms: SkuOnTrial.Terms(limit: 2));
        var order = (await _sku.ReserveAsync(1, 2)).OrderId;
        var verdict = SkuOnTrial.Verdict(order, false, "sold out in MySQL | really", quantity: 2);

        Assert.Equal(
            [SettleCode.Settled, SettleCode.AlreadySettled], await _sku.Ledger.SettleAsync(_sku.Keys, [verdict, verdict], Cancelled));
        Assert.Equal(SettleCode.AlreadySettled, await _sku.SettleAsync(verdict));

        Assert.Equal((10L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal("sold out in MySQL | really", (await _sku.FindAsync(1))!.Detail);
        // The limit is free again too.
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1, 2)).Code);
    }

    [Fact]
    public async Task A_verdict_once_given_is_never_turned_round()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1"));

        Assert.Equal(SettleCode.Contradicted, await _sku.SettleAsync(SkuOnTrial.Verdict(order, false, "late")));

        Assert.Equal(OrderState.Success, (await _sku.FindAsync(1))!.State);
        Assert.Equal(9, await _sku.StockAsync());
    }

    [Fact]
    public async Task A_failure_once_told_stays_and_the_opposite_verdict_is_reported()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        var (failure, success) = (SkuOnTrial.Verdict(order, false, "abandoned"), SkuOnTrial.Verdict(order, true, "SN1"));

        // The second verdict contradicts the first one of the same call.
        Assert.Equal(
            [SettleCode.Settled, SettleCode.Contradicted], await _sku.Ledger.SettleAsync(_sku.Keys, [failure, success], Cancelled));
        Assert.Equal(SettleCode.Contradicted, await _sku.SettleAsync(success));
        Assert.Equal(SettleCode.AlreadySettled, await _sku.SettleAsync(failure));

        Assert.Equal((OrderState.Failed, "abandoned"), ((await _sku.FindAsync(1))!.State, (await _sku.FindAsync(1))!.Detail));
        Assert.Equal((10L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal(0, await _sku.Database.SortedSetLengthAsync(_sku.Keys.Outbox));
    }

    [Fact]
    public async Task A_click_that_MySQL_knew_already_is_a_success_that_gives_its_units_back()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1, 1, "a")).OrderId;

        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN-first") with { StockDeducted = false, ClientOrderNo = "a" });

        Assert.Equal((OrderState.Success, "SN-first"), ((await _sku.FindAsync(1, "a"))!.State, (await _sku.FindAsync(1, "a"))!.Detail));
        Assert.Equal((10L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task Another_producers_order_is_recorded_and_never_moves_the_counter()
    {
        await _sku.WarmAsync(10);
        var verdict =
            SkuOnTrial.Verdict(SkuOnTrial.NextOrder(), true, "SN1", user: 5) with { MessageEpoch = null, ClientOrderNo = "theirs" };

        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(verdict));
        Assert.Equal(SettleCode.AlreadySettled, await _sku.SettleAsync(verdict));

        var found = await _sku.FindAsync(5, "theirs");
        Assert.Equal((OrderState.Success, -1L), (found!.State, found.Epoch));
        Assert.Equal(found, await _sku.FindAsync(5));
        Assert.Equal(10, await _sku.StockAsync());
    }

    [Fact]
    public async Task Settling_an_order_that_Redis_forgot_writes_nothing()
    {
        Assert.Equal(SettleCode.Forgotten, await _sku.SettleAsync(SkuOnTrial.Verdict(SkuOnTrial.NextOrder(), true, "SN1")));
        foreach (var key in _sku.Keys.All)
        {
            Assert.False(await _sku.Database.KeyExistsAsync(key), $"{key} was written");
        }
    }

    [Fact]
    public async Task A_return_while_the_counter_is_lost_does_not_make_a_new_one()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.Database.KeyDeleteAsync(_sku.Keys.Stock);

        await _sku.SettleAsync(SkuOnTrial.Verdict(order, false, "no"));

        Assert.False(await _sku.Database.KeyExistsAsync(_sku.Keys.Stock));
        Assert.Equal(new WarmResult(true, 2, 10), await _sku.WarmAsync(10, epoch: 1));
        Assert.Equal((10L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task An_order_committed_after_a_reload_is_deducted_from_the_new_counter()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.Database.KeyDeleteAsync(_sku.Keys.All);
        await _sku.WarmAsync(10, epoch: 1);

        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1") with { CommittedEpoch = 2 });

        Assert.Equal((9L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task An_order_committed_before_a_reload_is_in_the_loaded_figure()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.Database.KeyDeleteAsync(_sku.Keys.All);
        await _sku.WarmAsync(9, epoch: 1);

        await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1"));

        Assert.Equal((9L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task Outcomes_are_told_with_the_stock()
    {
        var heard = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var subscriber = redis.Connection.GetSubscriber();
        var prefix = string.Create(CultureInfo.InvariantCulture, $"{_sku.Keys.SkuId}\n");
        void OnOutcome(RedisChannel channel, RedisValue message)
        {
            // A load tells the stock alone.
            if (message.ToString() is var text && text.StartsWith(prefix, StringComparison.Ordinal) && text.Contains('|'))
            {
                heard.TrySetResult(message!);
            }
        }

        await subscriber.SubscribeAsync(RedisChannel.Literal(StockLedger.OutcomeChannel), OnOutcome);
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(3, 2)).OrderId;
        await _sku.SettleAsync(SkuOnTrial.Verdict(order, false, "no", user: 3, quantity: 2));

        var message = await heard.Task.WaitAsync(TimeSpan.FromSeconds(60), Cancelled);
        await subscriber.UnsubscribeAsync(RedisChannel.Literal(StockLedger.OutcomeChannel), OnOutcome);
        Assert.StartsWith($"{prefix}10\n{order}|", message);
        var told = Reservation.ParseOutcome(message.Split('\n')[2]);
        Assert.Equal((OrderState.Failed, 3, 2, "no"), (told.State, told.UserId, told.Quantity, told.Detail));
        Assert.Equal(await _sku.Ledger.FindAsync(_sku.Keys, order, Cancelled), told);
    }
}
