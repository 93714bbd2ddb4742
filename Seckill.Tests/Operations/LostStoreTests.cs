using System.Globalization;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Seckill.Api.MissingOrders;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>
/// MySQL comes back with less than it had, as after an asynchronous fail-over or from an older backup: its last transactions are gone,
/// orders, stock and epoch alike, and buyers have been told of the orders. Redis also loses part of its data.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed partial class LostStoreTests(OperationsFixture servers) : IAsyncLifetime
{
    private const int Stock = 20;
    private const int Orders = 12;
    private const int LostOrders = 7;

    private static long _lastBuyer = 95_000;

    private ApiHost _api = null!;
    private WorkerHost? _worker;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        _worker = servers.StartWorker();
        // Checks only when the test asks.
        _api = StartApi(everyMs: 3_600_000);
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        await StopWorkerAsync();
    }

    [Fact]
    public async Task Orders_that_buyers_were_told_of_are_named_and_written_again_and_their_units_are_not_sold_twice()
    {
        var (skuId, buyers) = await SoldAsync();
        await StopWorkerAsync();
        var lost = await LoseAsync(skuId);

        var item = await _api.BooksAsync(skuId);
        Assert.Equal(-LostOrders, item.GetProperty("difference").GetInt64());
        var named = item.GetProperty("lost");
        Assert.Equal(LostOrders, named.GetProperty("unwritten").GetInt32());
        Assert.Equal(lost.Order(), named.GetProperty("order_ids").EnumerateArray().Select(Id).Order());

        // A repair, by an operator who sees the difference, sells none of these units again.
        var repair = await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator, "");
        Assert.Contains(
            repair.Body.GetProperty("steps").EnumerateArray().Select(step => step.GetString()!),
            step => step.StartsWith($"sku {skuId}: load: False, reload for a difference of: 0, ", StringComparison.Ordinal)
                && step.Contains($"MySQL lacks {LostOrders} orders", StringComparison.Ordinal));
        Assert.Equal(Stock - Orders, (long)await servers.Redis.StringGetAsync(new SkuKeys(skuId).Stock));
        await Assert.ThrowsAsync<OrdersMissingException>(() => _api.Get<StockLoad>().ReloadAsync(skuId, drained: false, Cancelled));
        Assert.Equal(Stock - Orders, (long)await servers.Redis.StringGetAsync(new SkuKeys(skuId).Stock));
        // The gate continues to sell its units.
        var later = Interlocked.Increment(ref _lastBuyer);
        Assert.Equal(200, (await _api.BuyAsync(later, skuId)).Status);

        _worker = servers.StartWorker();
        await MendedAsync(skuId);
        await AssertStandsAsync(skuId, [.. buyers, later]);
    }

    /// <param name="epochs">How much older MySQL's epoch is; if it has been raised again since, the load's token shows the loss.</param>
    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public async Task An_older_load_shuts_the_gate_until_the_orders_are_written_again_without_an_operator(int epochs)
    {
        var (skuId, buyers) = await SoldAsync();
        await StopWorkerAsync();
        await LoseAsync(skuId, epochs, olderLoad: true);
        await _api.DisposeAsync();
        _api = StartApi(everyMs: 200);

        // The loader has shut the gate, and the reconciler has named the orders and published them again, each in its own time.
        await Deadline.UntilAsync(
            () => servers.Redis.HashGetAsync(new SkuKeys(skuId).Sale, "closed"), closed => closed == 1, Cancelled);
        await Deadline.UntilAsync(
            () => _api.BooksAsync(skuId),
            item => !item.GetProperty("loaded").GetBoolean() && item.GetProperty("unconfirmed").GetInt64() == 0
                && item.GetProperty("unsettled").GetInt64() == LostOrders,
            Cancelled);
        Assert.Equal(503, (await _api.BuyAsync(Interlocked.Increment(ref _lastBuyer), skuId)).Status);

        _worker = servers.StartWorker();
        await MendedAsync(skuId);
        await AssertStandsAsync(skuId, buyers);
    }

    [Fact]
    public async Task An_order_that_MySQL_refuses_on_the_repeat_is_named_and_blocks_no_load()
    {
        var (skuId, _) = await SoldAsync();
        await StopWorkerAsync();
        var lost = await LoseAsync(skuId);
        await using (var store = servers.OpenStore())
        {
            // The units have been taken meanwhile.
            await store.ProductSkus.Where(sku => sku.Id == skuId).ExecuteUpdateAsync(set => set.SetProperty(s => s.Stock, 0), Cancelled);
        }

        Assert.Equal(200, (await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator, "")).Status);
        _worker = servers.StartWorker();
        var item = await Deadline.UntilAsync(
            () => _api.BooksAsync(skuId), item => Counts(item) == (0, LostOrders) && item.GetProperty("unsettled").GetInt64() == 0,
            Cancelled);

        Assert.Equal(lost.Order(), item.GetProperty("lost").GetProperty("order_ids").EnumerateArray().Select(Id).Order());
        Assert.NotNull(await _api.Get<StockLoad>().ReloadAsync(skuId, drained: false, Cancelled));
        Assert.Equal(0, (long)await servers.Redis.StringGetAsync(new SkuKeys(skuId).Stock));
    }

    [Fact]
    public async Task A_refusal_that_MySQL_has_forgotten_stays_one()
    {
        var skuId = await servers.PutOnSaleAsync(_api, Stock);
        await using var store = servers.OpenStore();
        await store.ProductSkus.Where(sku => sku.Id == skuId).ExecuteUpdateAsync(set => set.SetProperty(s => s.Stock, 0), Cancelled);
        var buyer = Interlocked.Increment(ref _lastBuyer);
        Assert.Equal(200, (await _api.BuyAsync(buyer, skuId)).Status);
        await Deadline.UntilAsync(() => StatusAsync(buyer, skuId), status => status == "FAILED", Cancelled);
        await store.ProductSkus.Where(sku => sku.Id == skuId)
            .ExecuteUpdateAsync(set => set.SetProperty(s => s.Stock, Stock), Cancelled);
        Assert.Equal(1, await store.OrderRejections.Where(rejection => rejection.SkuId == skuId).ExecuteDeleteAsync(Cancelled));

        var item = await _api.BooksAsync(skuId);

        Assert.Equal(0, item.GetProperty("difference").GetInt64());
        Assert.Equal((0, 0), Counts(item));
        Assert.Equal("FAILED", await StatusAsync(buyer, skuId));
    }

    [Fact]
    public async Task An_outbox_that_Redis_has_evicted_is_seen_and_put_back()
    {
        await StopWorkerAsync();
        var skuId = await servers.PutOnSaleAsync(_api, Stock);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(200, (await _api.BuyAsync(Interlocked.Increment(ref _lastBuyer), skuId)).Status);
        }

        await Deadline.UntilAsync(() => _api.BooksAsync(skuId), item => item.GetProperty("unconfirmed").GetInt64() == 0, Cancelled);
        await servers.PurgeAsync();
        await servers.Redis.KeyDeleteAsync(new SkuKeys(skuId).Outbox);

        var item = await _api.BooksAsync(skuId);
        Assert.Equal((0, 3), (item.GetProperty("difference").GetInt64(), item.GetProperty("held_difference").GetInt64()));
        Assert.Equal(3, item.GetProperty("lost").GetProperty("unlisted").GetInt32());
        Assert.False((await _api.BooksAsync()).GetProperty("healthy").GetBoolean());

        Assert.Equal(200, (await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator, "")).Status);
        _worker = servers.StartWorker();
        await MendedAsync(skuId);
        await using var store = servers.OpenStore();
        Assert.Equal(3, await store.OrderItems.CountAsync(line => line.SkuId == skuId, Cancelled));
    }

    [Fact]
    public async Task Held_units_without_a_reservation_unbalance_the_books_and_a_repair_mends_them()
    {
        var skuId = await servers.PutOnSaleAsync(_api, Stock);
        var sku = new SkuKeys(skuId);
        // The state after buyers, orders and outbox have vanished and one of these orders was settled.
        await servers.Redis.HashIncrementAsync(sku.Sale, "held", 2);
        await servers.Redis.StringDecrementAsync(sku.Stock, 2);
        var item = await _api.BooksAsync(skuId);
        Assert.Equal((0, 2), (item.GetProperty("difference").GetInt64(), item.GetProperty("held_difference").GetInt64()));
        Assert.False((await _api.BooksAsync()).GetProperty("healthy").GetBoolean());

        Assert.Equal(200, (await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator, "")).Status);

        await MendedAsync(skuId);
        Assert.Equal(Stock, (long)await servers.Redis.StringGetAsync(sku.Stock));
    }

    private ApiHost StartApi(int everyMs) => servers.StartApi(
        ("Reconciliation:EveryMs", $"{everyMs}"), ("Reconciliation:StuckAfterMs", "1000"), ("Publish:SweepEveryMs", "200"),
        ("Catalogue:CheckEveryMs", $"{everyMs}"));

    private async Task StopWorkerAsync()
    {
        if (_worker is not null)
        {
            await _worker.DisposeAsync();
            _worker = null;
        }
    }

    /// <summary>A sale with settled orders of one unit each, the newest from another producer; returns the buyers as well.</summary>
    private async Task<(long SkuId, IReadOnlyList<long> Buyers)> SoldAsync()
    {
        var skuId = await servers.PutOnSaleAsync(_api, Stock);
        var buyers = Enumerable.Range(0, Orders).Select(_ => Interlocked.Increment(ref _lastBuyer)).ToList();
        foreach (var buyer in buyers.SkipLast(1))
        {
            Assert.Equal(200, (await _api.BuyAsync(buyer, skuId, $"lost-{buyer}")).Status);
        }

        await servers.Redis.StringDecrementAsync(new SkuKeys(skuId).Stock);
        var foreign = new OrderMessage { UserId = buyers[^1], SkuId = skuId, Quantity = 1, ClientOrderNo = $"lost-{buyers[^1]}" };
        await OrderTopology.PublishAsync(
            servers.Channel, OrderTopology.Exchange, OrderTopology.RoutingKey, new BasicProperties(), foreign.ToUtf8Json(), Cancelled);
        foreach (var buyer in buyers)
        {
            await Deadline.UntilAsync(() => StatusAsync(buyer, skuId), status => status == "SUCCESS", Cancelled);
        }

        return (skuId, buyers);
    }

    /// <summary>Takes MySQL back to before its last transactions.</summary>
    private async Task<List<long>> LoseAsync(long skuId, int epochs = 0, bool olderLoad = false, int count = LostOrders)
    {
        await using var store = servers.OpenStore();
        await using var transaction = await store.Database.BeginTransactionAsync(Cancelled);
        var ids = await LoseAsync(store, skuId, epochs, olderLoad, count);
        await transaction.CommitAsync(Cancelled);
        return ids;
    }

    private static async Task<List<long>> LoseAsync(OrderingDbContext store, long skuId, int epochs, bool olderLoad, int count)
    {
        var ids = await store.OrderItems.Where(line => line.SkuId == skuId).OrderByDescending(line => line.OrderId).Take(count)
            .Select(line => line.OrderId).ToListAsync(Cancelled);
        await store.OrderItems.Where(line => ids.Contains(line.OrderId)).ExecuteDeleteAsync(Cancelled);
        Assert.Equal(count, await store.Orders.Where(order => ids.Contains(order.Id)).ExecuteDeleteAsync(Cancelled));
        await store.ProductSkus.Where(sku => sku.Id == skuId).ExecuteUpdateAsync(
            set => set.SetProperty(s => s.Stock, s => s.Stock + count).SetProperty(s => s.GateEpoch, s => s.GateEpoch - epochs)
                .SetProperty(s => s.GateLoad, s => olderLoad ? null : s.GateLoad),
            Cancelled);
        return ids;
    }

    private Task<JsonElement> MendedAsync(long skuId) => Deadline.UntilAsync(
        () => _api.BooksAsync(skuId),
        item => item.GetProperty("loaded").GetBoolean() && item.GetProperty("difference").GetInt64() == 0
            && item.GetProperty("store_difference").GetInt64() == 0 && item.GetProperty("held_difference").GetInt64() == 0
            && item.GetProperty("unsettled").GetInt64() == 0 && Counts(item) == (0, 0),
        Cancelled);

    /// <summary>Each buyer has exactly the one order that they were told of, and its units are sold.</summary>
    private async Task AssertStandsAsync(long skuId, IReadOnlyList<long> buyers)
    {
        await using var store = servers.OpenStore();
        var lines = await store.OrderItems.Where(line => line.SkuId == skuId).ToListAsync(Cancelled);
        Assert.Equal(buyers.Order(), lines.Select(line => line.UserId).Order());
        Assert.Equal(Stock - buyers.Count, (long)await servers.Redis.StringGetAsync(new SkuKeys(skuId).Stock));
        foreach (var line in lines)
        {
            var status = (await _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(line.UserId))).Body;
            Assert.Equal(
                ("SUCCESS", line.OrderId.ToString(CultureInfo.InvariantCulture)),
                (status.GetProperty("status").GetString(), status.GetProperty("order_sn").GetString()));
        }
    }

    /// <summary>Null while the order is not known yet.</summary>
    private async Task<string?> StatusAsync(long buyer, long skuId)
    {
        var answer = await _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(buyer));
        return answer.Status == 200 ? answer.Body.GetProperty("status").GetString() : null;
    }

    private static (int Unwritten, int Refused) Counts(JsonElement item) =>
        item.TryGetProperty("lost", out var lost) && lost.ValueKind == JsonValueKind.Object
            ? (lost.GetProperty("unwritten").GetInt32(), lost.GetProperty("refused").GetInt32())
            : (0, 0);

    private static long Id(JsonElement id) => long.Parse(id.GetString()!, CultureInfo.InvariantCulture);
}
