using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

public sealed class ReserveTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private readonly SkuOnTrial _sku = new(redis);

    [Fact]
    public async Task Accepted_deducts_and_writes_the_reservation()
    {
        await _sku.WarmAsync(10);
        const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

        var result = await _sku.ReserveAsync(7, 3, "front-uuid", Trace);

        Assert.Equal(ReserveCode.Accepted, result.Code);
        Assert.Equal(7, await _sku.StockAsync());
        Assert.Equal(3, await _sku.HeldAsync());
        var reservation = await _sku.FindAsync(7);
        Assert.NotNull(reservation);
        Assert.Equal(
            (result.OrderId, OrderState.Pending, 3, 7L, 1L, "front-uuid", Trace),
            (reservation.OrderId, reservation.State, reservation.Quantity, reservation.UserId, reservation.Epoch, reservation.ClientOrderNo,
                reservation.TraceParent));
        Assert.InRange(
            reservation.ReservedAtMs, DateTimeOffset.UtcNow.AddMinutes(-1).ToUnixTimeMilliseconds(),
            DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeMilliseconds());
        Assert.Equal(reservation, await _sku.FindAsync(7, "front-uuid"));
    }

    [Fact]
    public async Task The_offer_stays_with_the_order_until_it_is_settled_and_after()
    {
        await _sku.WarmAsync(10);
        string[] offers = ["19.90@0123456789abcdef", "29.90@fedcba9876543210"];

        await _sku.ReserveAsync(
            Request(1, 1) with { Offer = offers[0] }, Request(2, 1) with { Offer = offers[0] }, Request(3, 1),
            Request(4, 1) with { Offer = offers[1], TraceParent = "trace" });
        var first = await _sku.FindAsync(1);
        await _sku.SettleAsync(SkuOnTrial.Verdict(first!.OrderId, success: true, "SN", user: 1));

        var found = new List<Reservation>();
        for (var user = 1; user <= 4; user++)
        {
            found.Add((await _sku.FindAsync(user))!);
        }

        Assert.Equal([offers[0], offers[0], null, offers[1]], found.Select(reservation => reservation.Offer));
        Assert.Equal([null, null, null, "trace"], found.Select(reservation => reservation.TraceParent));
        Assert.Equal(OrderState.Success, found[0].State);
    }

    [Fact]
    public async Task An_order_id_that_is_there_is_refused_and_nothing_is_deducted_for_it()
    {
        await _sku.WarmAsync(10);
        var first = Request(1, 1);
        await _sku.ReserveAsync(first);

        var reply = await _sku.ReserveAsync(first with { UserId = 2 }, Request(3, 1), first with { UserId = 3 });
        var twins = Request(4, 1);
        var together = await _sku.ReserveAsync(twins, twins with { UserId = 5 });

        Assert.Equal([ReserveCode.IdTaken, ReserveCode.Accepted, ReserveCode.IdTaken], reply.Results.Select(result => result.Code));
        Assert.Equal([ReserveCode.Accepted, ReserveCode.IdTaken], together.Results.Select(result => result.Code));
        Assert.Equal((7, 3), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Equal(1, (await _sku.FindAsync(1))!.UserId);
        Assert.Null(await _sku.FindAsync(2));
    }

    [Fact]
    public async Task The_reply_tells_stock_epoch_and_count()
    {
        await _sku.WarmAsync(10);

        var reply = await _sku.ReserveAsync(Request(1, 2), Request(2, 3), Request(3, 6));

        Assert.Equal([ReserveCode.Accepted, ReserveCode.Accepted, ReserveCode.SoldOut], reply.Results.Select(r => r.Code));
        Assert.Equal((1L, 5L, 2L), (reply.Epoch, reply.StockLeft, reply.ReservedCount));
        Assert.Equal(5, reply.Results[2].Value);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(2, 3)]
    public async Task Sold_out_when_fewer_are_left_than_wanted(long stock, int wanted)
    {
        await _sku.WarmAsync(stock);

        Assert.Equal(new ReserveResult(ReserveCode.SoldOut, 0, stock), await _sku.ReserveAsync(1, wanted));
        Assert.Equal(stock, await _sku.StockAsync());
        Assert.Null(await _sku.FindAsync(1));
    }

    [Fact]
    public async Task The_last_unit_is_sold()
    {
        await _sku.WarmAsync(1);

        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);
        Assert.Equal(ReserveCode.SoldOut, (await _sku.ReserveAsync(2)).Code);
        Assert.Equal(0, await _sku.StockAsync());
    }

    [Fact]
    public async Task Cold_while_the_stock_was_never_loaded() =>
        Assert.Equal(ReserveCode.Cold, (await _sku.ReserveAsync(1)).Code);

    [Fact]
    public async Task After_the_moment_that_the_call_names_nothing_is_reserved()
    {
        await _sku.WarmAsync(5);
        var now = (await _sku.ReserveAsync(Request(1, 1))).NowMs;

        var late = await _sku.Ledger.ReserveAsync(_sku.Keys, [Request(2, 1)], now - 1, TestContext.Current.CancellationToken);
        var inTime = await _sku.Ledger.ReserveAsync(_sku.Keys, [Request(3, 1)], now + 60_000, TestContext.Current.CancellationToken);

        Assert.Equal(ReserveCode.TooLate, Assert.Single(late.Results).Code);
        Assert.InRange(late.NowMs, now, now + 60_000);
        Assert.Equal(ReserveCode.Accepted, Assert.Single(inTime.Results).Code);
        Assert.Null(await _sku.FindAsync(2));
        Assert.Equal(3, await _sku.StockAsync());
    }

    [Fact]
    public async Task Cold_when_the_stock_key_is_lost()
    {
        await _sku.WarmAsync(5);
        await _sku.Database.KeyDeleteAsync(_sku.Keys.Stock);

        Assert.Equal(ReserveCode.Cold, (await _sku.ReserveAsync(1)).Code);
        Assert.False(await _sku.Database.KeyExistsAsync(_sku.Keys.Stock));
    }

    [Fact]
    public async Task Cold_when_a_foreign_hand_set_the_stock_without_a_sale()
    {
        await _sku.Database.StringSetAsync(_sku.Keys.Stock, 5);

        Assert.Equal(ReserveCode.Cold, (await _sku.ReserveAsync(1)).Code);
    }

    [Fact]
    public async Task The_window_is_Redis_time_from_start_to_before_end()
    {
        var server = redis.Connection.GetServer(redis.Connection.GetEndPoints()[0]);
        var now = new DateTimeOffset(await server.TimeAsync(), TimeSpan.Zero);
        var early = new SaleTerms(now.AddMinutes(5), now.AddMinutes(10), 1, false);
        await _sku.WarmAsync(5, terms: early);
        Assert.Equal(new ReserveResult(ReserveCode.NotStarted, 0, early.StartsAt.ToUnixTimeMilliseconds()), await _sku.ReserveAsync(1));

        var late = new SaleTerms(now.AddMinutes(-10), now.AddMilliseconds(-1), 1, false);
        await _sku.WarmAsync(5, epoch: 1, late);
        Assert.Equal(new ReserveResult(ReserveCode.Ended, 0, late.EndsAt.ToUnixTimeMilliseconds()), await _sku.ReserveAsync(1));

        await _sku.WarmAsync(5, epoch: 1, new SaleTerms(now.AddMilliseconds(-1), now.AddMinutes(10), 1, false));
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);
    }

    [Fact]
    public async Task Paused_sells_nothing_and_still_knows_its_clicks()
    {
        await _sku.WarmAsync(5);
        var first = await _sku.ReserveAsync(1, 1, "a");
        await _sku.WarmAsync(5, epoch: 1, SkuOnTrial.Terms(paused: true));

        Assert.Equal(ReserveCode.Paused, (await _sku.ReserveAsync(2)).Code);
        Assert.Equal(new ReserveResult(ReserveCode.Duplicate, first.OrderId, 0), await _sku.ReserveAsync(1, 1, "a"));
    }

    [Fact]
    public async Task The_limit_counts_units_over_all_of_a_buyers_orders()
    {
        await _sku.WarmAsync(10, terms: SkuOnTrial.Terms(limit: 2));

        Assert.Equal(new ReserveResult(ReserveCode.LimitReached, 0, 2), await _sku.ReserveAsync(1, 3));
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);
        Assert.Equal(ReserveCode.LimitReached, (await _sku.ReserveAsync(1, 2)).Code);
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);
        Assert.Equal(ReserveCode.LimitReached, (await _sku.ReserveAsync(1)).Code);
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(2, 2)).Code);
        Assert.Equal(6, await _sku.StockAsync());
    }

    [Fact]
    public async Task A_repeated_click_gets_the_first_orders_id_and_burns_no_stock()
    {
        await _sku.WarmAsync(1);
        var first = await _sku.ReserveAsync(1, 1, "a");

        // Sold out by now: the repeat must still find its order.
        Assert.Equal(new ReserveResult(ReserveCode.Duplicate, first.OrderId, 0), await _sku.ReserveAsync(1, 1, "a"));
        Assert.Equal(0, await _sku.StockAsync());
        Assert.Equal(ReserveCode.SoldOut, (await _sku.ReserveAsync(2, 1, "a")).Code);
    }

    [Theory]
    [InlineData("orders")]
    [InlineData("buyers")]
    [InlineData("clicks")]
    [InlineData("outbox")]
    public async Task A_key_that_somebody_else_has_written_costs_no_stock(string key)
    {
        await _sku.WarmAsync(10);
        var name = _sku.Keys.All.Single(name => ((string)name!).EndsWith($":{key}", StringComparison.Ordinal));
        await _sku.Database.StringSetAsync(name, "theirs");

        await Assert.ThrowsAsync<RedisServerException>(() => _sku.ReserveAsync(1, 1, "a"));
        Assert.Equal(10, await _sku.StockAsync());
    }

    [Fact]
    public async Task A_number_that_stands_for_another_quantity_is_refused()
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(1, 1, "a");

        Assert.Equal(new ReserveResult(ReserveCode.NumberUsed, 0, 0), await _sku.ReserveAsync(1, 2, "a"));
        var together = await _sku.ReserveAsync(Request(2, 3, "b"), Request(2, 1, "b"), Request(2, 3, "b"));
        Assert.Equal(
            [ReserveCode.Accepted, ReserveCode.NumberUsed, ReserveCode.Duplicate], together.Results.Select(result => result.Code));
        Assert.Equal(6, await _sku.StockAsync());
    }

    [Fact]
    public async Task Within_one_call_a_click_counts_once_and_the_limit_counts_all()
    {
        await _sku.WarmAsync(10, terms: SkuOnTrial.Terms(limit: 2));
        var first = Request(1, 1, "a");

        var reply = await _sku.ReserveAsync(first, Request(1, 1, "a"), Request(1, 1, "b"), Request(1, 1, "c"), Request(2, 1, "a"));

        Assert.Equal(
            [ReserveCode.Accepted, ReserveCode.Duplicate, ReserveCode.Accepted, ReserveCode.LimitReached, ReserveCode.Accepted],
            reply.Results.Select(r => r.Code));
        Assert.Equal(first.OrderId, reply.Results[1].OrderId);
        Assert.Equal(7, await _sku.StockAsync());
    }

    [Fact]
    public async Task A_full_call_with_the_largest_ids_is_exact()
    {
        await _sku.WarmAsync(StockLedger.ReserveBatchSizeMax);
        var requests = Enumerable.Range(0, StockLedger.ReserveBatchSizeMax)
            .Select(i => new ReserveRequest(long.MaxValue - i, long.MaxValue - i, 1, $"c{i}", null)).ToArray();

        var reply = await _sku.ReserveAsync(requests);

        Assert.Equal(requests.Select(r => new ReserveResult(ReserveCode.Accepted, r.OrderId, 0)), reply.Results);
        Assert.Equal(0, await _sku.StockAsync());
        Assert.Equal(long.MaxValue - 5, (await _sku.FindAsync(long.MaxValue - 5))!.OrderId);
    }

    [Fact]
    public async Task A_call_that_is_too_large_is_refused_before_Redis() =>
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => _sku.ReserveAsync(new ReserveRequest[StockLedger.ReserveBatchSizeMax + 1]));

    [Fact]
    public async Task All_keys_of_a_SKU_lie_in_the_slot_of_the_plain_stock_key()
    {
        Assert.Equal("stock:sku:1001", new SkuKeys(1001).Stock.ToString());
        var slots = _sku.Keys.All.Select(key => redis.Connection.HashSlot(key)).Distinct();
        Assert.Single(slots);
        Assert.Equal(6, _sku.Keys.All.Distinct().Count());
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_crowd_at_once_gets_exactly_what_there_is()
    {
        await _sku.WarmAsync(100, terms: SkuOnTrial.Terms(limit: 1));

        var results = await Task.WhenAll(Enumerable.Range(1, 2_000).Select(user => _sku.ReserveAsync(user)));

        Assert.Equal(100, results.Count(r => r.Code == ReserveCode.Accepted));
        Assert.Equal(1_900, results.Count(r => r.Code == ReserveCode.SoldOut));
        Assert.Equal((0L, 100L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    private static ReserveRequest Request(long user, int quantity, string? click = null) =>
        new(SkuOnTrial.NextOrder(), user, quantity, click, null);
}
