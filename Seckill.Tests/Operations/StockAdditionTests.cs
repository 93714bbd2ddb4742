using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>Units added in the middle of a sale are sold, each once, and the books balance all the time.</summary>
[Collection(OperationsTests.Name)]
public sealed class StockAdditionTests(OperationsFixture servers) : IAsyncLifetime
{
    private static long _lastBuyer = 70_000;

    private ApiHost _api = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        _api = servers.StartApi();
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task With_orders_under_way_exactly_the_added_units_are_sold()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 5);
        Assert.Equal(5, await BuyUntilSoldOutAsync(_api, skuId));
        Assert.Equal((5L, 0L), await UnsettledAndDifferenceAsync(skuId));

        var added = await AddAsync(skuId, 4, before: 5);
        Assert.Equal(
            (200, 9, 9, 4),
            (added.Status, added.Body.GetProperty("units").GetInt32(), added.Body.GetProperty("mysql_stock").GetInt32(),
                added.Body.GetProperty("redis_stock").GetInt32()));
        Assert.Equal((5L, 0L), await UnsettledAndDifferenceAsync(skuId));
        Assert.Equal(4, await BuyUntilSoldOutAsync(_api, skuId));
        Assert.Equal((9L, 0L), await UnsettledAndDifferenceAsync(skuId));

        await using var worker = servers.StartWorker();
        await Deadline.UntilAsync(() => UnsettledAndDifferenceAsync(skuId), state => state == (0, 0), Cancelled);
        await AssertSoldAsync(skuId, 9);
    }

    [Fact]
    public async Task A_repeated_request_adds_nothing()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 5);
        var both = await Task.WhenAll(AddAsync(skuId, 3, before: 5), AddAsync(skuId, 3, before: 5));
        Assert.Equal([200, 409], both.Select(answer => answer.Status).Order());
        Assert.Equal("units are 8 now", both.Single(answer => answer.Status == 409).Error);
        var again = await AddAsync(skuId, 3, before: 5);
        Assert.Equal((409, "units are 8 now"), (again.Status, again.Error));

        Assert.Equal((0L, 0L), await UnsettledAndDifferenceAsync(skuId));
        Assert.Equal(8, await BuyUntilSoldOutAsync(_api, skuId));
    }

    /// <summary>The way that docs/integration.md shows.</summary>
    [Fact]
    public async Task Units_of_closed_orders_are_sold_again_and_a_repeat_is_not_taken_for_another_return()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 5);
        await using var worker = servers.StartWorker();
        Assert.Equal(5, await BuyUntilSoldOutAsync(_api, skuId));
        await Deadline.UntilAsync(() => UnsettledAndDifferenceAsync(skuId), state => state == (0, 0), Cancelled);

        await CloseOneAsync(skuId);
        Assert.Equal((0L, 0L), await UnsettledAndDifferenceAsync(skuId));
        Assert.Equal(200, (await AddAsync(skuId, 1, before: 5)).Status);
        await CloseOneAsync(skuId);
        // Its answer was lost.
        Assert.Equal(409, (await AddAsync(skuId, 1, before: 5)).Status);

        Assert.Equal(1, await BuyUntilSoldOutAsync(_api, skuId));
        await Deadline.UntilAsync(() => UnsettledAndDifferenceAsync(skuId), state => state == (0, 0), Cancelled);
        Assert.Equal(200, (await AddAsync(skuId, 1, before: 6)).Status);
        Assert.Equal(1, await BuyUntilSoldOutAsync(_api, skuId));
        await Deadline.UntilAsync(() => UnsettledAndDifferenceAsync(skuId), state => state == (0, 0), Cancelled);
    }

    [Fact]
    public async Task Nothing_is_added_to_units_that_nobody_has_counted()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 5);
        await using (var store = servers.OpenStore())
        {
            await store.SeckillSales.Where(sale => sale.SkuId == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(sale => sale.Units, (int?)null), Cancelled);
        }

        var answer = await AddAsync(skuId, 3, before: 5);
        Assert.Equal((409, "units are not known"), (answer.Status, answer.Error));
    }

    [Fact]
    public async Task In_a_rush_every_instance_sells_what_was_added_and_not_one_more()
    {
        const int Start = 10;
        const int Additions = 6;
        const int Each = 20;
        // No loader may check while only one store has the addition; another test covers that.
        (string, string) notByItself = ("Catalogue:CheckEveryMs", "3600000");
        await using var one = servers.StartApi(notByItself);
        await using var other = servers.StartApi(notByItself);
        await using var worker = servers.StartWorker();
        await _api.DisposeAsync();
        _api = one;
        var skuId = await servers.PutOnSaleAsync(one, stock: Start);
        await servers.WaitUntilLoadedAsync(other, skuId);
        using var enough = new CancellationTokenSource();
        var rush = Task.WhenAll(Enumerable.Range(0, 8).Select(i => RushAsync(i % 2 == 0 ? one : other, skuId, enough.Token)));

        for (var i = 0; i < Additions; i++)
        {
            // Adds only when the last units are gone: then both instances refuse from memory.
            await Deadline.UntilAsync(() => GateStockAsync(skuId), stock => stock == 0, Cancelled);
            var added = await AddAsync(i % 2 == 0 ? other : one, skuId, Each, Start + (i * Each));
            Assert.Equal((200, Start + ((i + 1) * Each)), (added.Status, added.Body.GetProperty("units").GetInt32()));
            Assert.Equal(0, (await UnsettledAndDifferenceAsync(skuId)).Difference);
        }

        await Deadline.UntilAsync(() => GateStockAsync(skuId), stock => stock == 0, Cancelled);
        await enough.CancelAsync();
        var counts = await rush;
        Assert.Equal(Start + (Additions * Each), counts.Sum());
        await Deadline.UntilAsync(() => UnsettledAndDifferenceAsync(skuId), state => state == (0, 0), Cancelled);
        await AssertSoldAsync(skuId, Start + (Additions * Each));
    }

    [Fact]
    public async Task A_counter_that_died_before_it_was_loaded_is_loaded_by_itself()
    {
        await using var other = servers.StartApi(("Catalogue:CheckEveryMs", "200"));
        var skuId = await servers.PutOnSaleAsync(_api, stock: 5);
        await servers.WaitUntilLoadedAsync(other, skuId);
        Assert.Equal(5, await BuyUntilSoldOutAsync(other, skuId));
        await using (var store = servers.OpenStore())
        {
            // The state that the transaction leaves if nothing follows it.
            await store.Database.ExecuteSqlAsync(
                $"""
                UPDATE product_skus s JOIN seckill_sales a ON a.sku_id = s.id
                SET s.stock = s.stock + 3, s.gate_epoch = s.gate_epoch + 1, s.gate_load = -s.gate_load, a.units = a.units + 3
                WHERE s.id = {skuId}
                """,
                Cancelled);
        }

        await Deadline.UntilAsync(() => GateStockAsync(skuId), stock => stock == 3, Cancelled);
        Assert.Equal((5L, 0L), await UnsettledAndDifferenceAsync(skuId));
        // An instance that refuses from memory notices the addition when it next queries Redis.
        await Deadline.UntilAsync(
            () => other.BuyAsync(Interlocked.Increment(ref _lastBuyer), skuId), answer => answer.Status == 200, Cancelled);
        Assert.Equal(2, await BuyUntilSoldOutAsync(other, skuId));
    }

    [Fact]
    public async Task Stock_is_added_however_many_orders_are_under_way()
    {
        const int Reserved = StockRecovery.UnsettledIdsMax + 2_000;
        const int Written = 1_000;
        var skuId = await servers.PutOnSaleAsync(_api, stock: Reserved);
        var sku = new SkuKeys(skuId);
        await ReserveAsync(sku, Reserved);
        await using (var store = servers.OpenStore())
        {
            // Not settled yet.
            await StoredOrders.AddAsync(store, skuId, FirstId(sku), Written);
            await store.ProductSkus.Where(row => row.Id == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Stock, Reserved - Written), Cancelled);
        }

        try
        {
            var added = await AddAsync(skuId, 2, before: Reserved);

            Assert.Equal((200, "", Reserved + 2), (added.Status, added.Error ?? "", added.Body.GetProperty("units").GetInt32()));
            Assert.Equal((2, Reserved - Written), (await GateStockAsync(skuId), await servers.Redis.HashGetAsync(sku.Sale, "held")));
            Assert.Equal(2, await BuyUntilSoldOutAsync(_api, skuId));
        }
        finally
        {
            // So many would keep other tests' sweepers and reconcilers busy.
            await using var store = servers.OpenStore();
            await store.SeckillSales.Where(sale => sale.SkuId == skuId).ExecuteDeleteAsync(CancellationToken.None);
            await servers.Redis.KeyDeleteAsync(sku.All);
        }
    }

    /// <summary>Twice, as a repeat after a lost answer would: only the first time the order is pending.</summary>
    private async Task CloseOneAsync(long skuId)
    {
        await using var store = servers.OpenStore();
        var order = await store.Orders.Where(order => order.Items.Any(item => item.SkuId == skuId))
            .Where(order => order.Status == OrderStatus.PendingPayment).OrderBy(order => order.Id).FirstAsync(Cancelled);
        for (var time = 0; time < 2; time++)
        {
            await store.Database.ExecuteSqlAsync(
                $"""
                START TRANSACTION;
                SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE;
                UPDATE orders SET status = 2 WHERE id = {order.Id} AND status = 0;
                UPDATE seckill_sales SET closed_units = closed_units + 1 * ROW_COUNT() WHERE sku_id = {skuId};
                COMMIT;
                """,
                Cancelled);
        }
    }

    private static long FirstId(SkuKeys sku) => sku.SkuId * 1_000_000;

    /// <summary>Reserves one unit each for that many buyers; the broker has confirmed the orders, and no worker gets them.</summary>
    private async Task ReserveAsync(SkuKeys sku, int count)
    {
        var ledger = _api.Get<StockLedger>();
        foreach (var some in Enumerable.Range(0, count).Chunk(StockLedger.ReserveBatchSizeMax))
        {
            var reply = await ledger.ReserveAsync(
                sku, [.. some.Select(i => new ReserveRequest(FirstId(sku) + i, i, 1, null, null))], Cancelled);
            Assert.All(reply.Results, result => Assert.Equal(ReserveCode.Accepted, result.Code));
            await ledger.ConfirmAsync(
                sku, [.. some.Select(i => FirstId(sku) + i)], DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), Cancelled);
        }
    }

    private Task<Reply> AddAsync(long skuId, int add, int before) => AddAsync(_api, skuId, add, before);

    private static Task<Reply> AddAsync(ApiHost api, long skuId, int add, int before) =>
        api.PostAsync($"/api/ops/sales/{skuId}/stock", api.Operator, $$"""{"add":{{add}},"units_before":{{before}}}""");

    /// <summary>Sells one unit each to new buyers, one after the other; returns how many got one.</summary>
    private static async Task<int> BuyUntilSoldOutAsync(ApiHost api, long skuId)
    {
        for (var count = 0; ;)
        {
            var answer = await api.BuyAsync(Interlocked.Increment(ref _lastBuyer), skuId);
            if (answer.Error == "sold out")
            {
                return count;
            }

            // 503: the gate is being loaded.
            count += answer.Status == 200 ? 1 : 0;
            Assert.True(answer.Status is 200 or 503, $"{answer.Status} {answer.Error}");
        }
    }

    private static async Task<int> RushAsync(ApiHost api, long skuId, CancellationToken enough)
    {
        var count = 0;
        while (!enough.IsCancellationRequested)
        {
            var answer = await api.BuyAsync(Interlocked.Increment(ref _lastBuyer), skuId);
            // The gate is not closed for the addition, not even for a moment.
            Assert.True(answer.Status == 200 || answer.Error == "sold out", $"{answer.Status} {answer.Error}");
            count += answer.Status == 200 ? 1 : 0;
        }

        return count;
    }

    private async Task<long> GateStockAsync(long skuId) => (long)await servers.Redis.StringGetAsync($"stock:sku:{skuId}");

    /// <summary>Repeats the request while the counter is being loaded, because it cannot be compared then.</summary>
    private async Task<(long Unsettled, long Difference)> UnsettledAndDifferenceAsync(long skuId)
    {
        var item = await Deadline.UntilAsync(
            () => _api.BooksAsync(skuId),
            item =>
                item.GetProperty("loaded").GetBoolean() && item.TryGetProperty("difference", out var difference)
                    && difference.ValueKind == JsonValueKind.Number,
            Cancelled);
        Assert.Equal(0, item.GetProperty("store_difference").GetInt64());
        return (item.GetProperty("unsettled").GetInt64(), item.GetProperty("difference").GetInt64());
    }

    private async Task AssertSoldAsync(long skuId, int units)
    {
        await using var store = servers.OpenStore();
        Assert.Equal(units, await store.OrderItems.Where(item => item.SkuId == skuId).SumAsync(item => item.Quantity, Cancelled));
        var sku = await store.ProductSkus.Include(sku => sku.Sale).SingleAsync(sku => sku.Id == skuId, Cancelled);
        Assert.Equal((0, units, 0L), (sku.Stock, sku.Sale!.Units, await GateStockAsync(skuId)));
        Assert.Equal(0, await store.OrderRejections.CountAsync(rejection => rejection.SkuId == skuId, Cancelled));
    }
}
