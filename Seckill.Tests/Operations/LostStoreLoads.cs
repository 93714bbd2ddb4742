using Microsoft.EntityFrameworkCore;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <content>Loads that would sell again what MySQL has lost.</content>
public sealed partial class LostStoreTests
{
    /// <summary>Such a load does not close the gate, and the load in Redis is still MySQL's.</summary>
    [Fact]
    public async Task A_restart_of_Redis_lets_no_load_past_the_orders_that_MySQL_lacks()
    {
        var (skuId, buyers) = await SoldAsync();
        await StopWorkerAsync();
        await LoseAsync(skuId);
        await RestartRedisAsync(skuId);

        Assert.IsType<OrdersMissingException>(await RefusalAsync(skuId));

        Assert.Equal(Stock - Orders, (long)await servers.Redis.StringGetAsync(new SkuKeys(skuId).Stock));
        Assert.Equal((LostOrders, 0), Counts(await _api.BooksAsync(skuId)));
        Assert.Equal(200, (await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator, "")).Status);
        _worker = servers.StartWorker();
        await MendedAsync(skuId);
        Assert.True(Assert.Single((await _api.Get<StockWarmUp>().LoadAsync([skuId], Cancelled)).Loaded).Loaded);
        await AssertStandsAsync(skuId, buyers);
    }

    /// <summary>The loader may have to wait for hours, and the gate sells meanwhile.</summary>
    [Fact]
    public async Task Changed_terms_hold_although_the_load_has_to_wait()
    {
        var (skuId, _) = await SoldAsync();
        var sale = new SkuKeys(skuId).Sale;
        await StopWorkerAsync();
        await LoseAsync(skuId);
        await RestartRedisAsync(skuId);

        Assert.Equal(200, (await _api.PostAsync($"/api/ops/sales/{skuId}/pause", _api.Operator)).Status);
        Assert.Equal(1, await servers.Redis.HashGetAsync(sale, "paused"));
        Assert.Equal("paused", (await _api.BuyAsync(Interlocked.Increment(ref _lastBuyer), skuId)).Error);

        // Changed in SQL, or by an instance that died before it told Redis.
        await using (var store = servers.OpenStore())
        {
            await store.SeckillSales.Where(row => row.SkuId == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.LimitPerUser, 1), Cancelled);
        }

        Assert.IsType<OrdersMissingException>(await RefusalAsync(skuId));
        Assert.Equal(1, await servers.Redis.HashGetAsync(sale, "limit"));
        Assert.Equal(Stock - Orders, (long)await servers.Redis.StringGetAsync(new SkuKeys(skuId).Stock));
    }

    /// <summary>The guard has found the old primary's books in order, and the row lock is the new primary's.</summary>
    /// <param name="writtenMeanwhile">Orders written in between: with enough of them, the new primary's stock is no higher.</param>
    /// <param name="comparable">
    /// Whether Redis has MySQL's load. If not, nothing but the server's identity shows the fail-over; the gate is closed.
    /// </param>
    [Theory]
    [InlineData(0, true)]
    [InlineData(LostOrders, true)]
    [InlineData(LostOrders, false)]
    public async Task A_fail_over_of_MySQL_in_the_middle_of_a_load_raises_no_counter(int writtenMeanwhile, bool comparable)
    {
        var (skuId, _) = await SoldAsync();
        var sku = new SkuKeys(skuId);
        await StopWorkerAsync();
        await RestartRedisAsync(skuId);
        if (!comparable)
        {
            await servers.Redis.HashSetAsync(sku.Sale, "load", LoadId.NewToken());
        }

        var moved = 0;
        try
        {
            await using var store = servers.OpenStore();
            await using var failOver = await store.Database.BeginTransactionAsync(Cancelled);
            await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE", Cancelled);
            var refusal = RefusalAsync(skuId);
            await Deadline.UntilAsync(servers.LockWaitsAsync, waits => waits > 0, Cancelled);
            await LoseAsync(store, skuId, epochs: 0, olderLoad: false, LostOrders);
            for (var i = 0; i < writtenMeanwhile; i++)
            {
                var (orderId, buyer) = await OrderedAsync(skuId, atTheGate: comparable);
                await StoredOrders.AddOneAsync(store, skuId, orderId, buyer);
            }

            await store.ProductSkus.Where(row => row.Id == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(s => s.Stock, s => s.Stock - writtenMeanwhile), Cancelled);
            moved = comparable ? 0 : 1;
            await servers.MoveServerIdAsync(moved);
            await failOver.CommitAsync(Cancelled);
            Assert.IsType<OrdersMissingException>(await refusal);
        }
        finally
        {
            await servers.MoveServerIdAsync(-moved);
        }

        Assert.Equal(
            Stock - Orders - (comparable ? writtenMeanwhile : 0), (long)await servers.Redis.StringGetAsync(sku.Stock));
    }

    /// <summary>
    /// Redis has lost the order and its click, so the repeated click made another one. The worker took that for a duplicate: its buyer has
    /// been told the first one's number.
    /// </summary>
    [Fact]
    public async Task An_order_told_under_anothers_number_is_written_once_and_blocks_no_load()
    {
        var skuId = await servers.PutOnSaleAsync(_api, Stock);
        var sku = new SkuKeys(skuId);
        var buyer = Interlocked.Increment(ref _lastBuyer);
        var first = (await _api.BuyAsync(buyer, skuId, "twice")).Text("order_id");
        await Deadline.UntilAsync(() => StatusAsync(buyer, skuId), status => status == "SUCCESS", Cancelled);
        await servers.Redis.HashDeleteAsync(sku.Orders, first);
        await servers.Redis.HashDeleteAsync(sku.Buyers, buyer);
        await servers.Redis.HashDeleteAsync(sku.Clicks, $"{buyer}:twice");
        var second = (await _api.BuyAsync(buyer, skuId, "twice")).Text("order_id");
        await Deadline.UntilAsync(
            async () => (string?)await servers.Redis.HashGetAsync(sku.Orders, second),
            record => record?.EndsWith($"|{first}", StringComparison.Ordinal) == true, Cancelled);
        await StopWorkerAsync();
        await LoseAsync(skuId, epochs: 1, olderLoad: true, count: 1);

        await _api.DisposeAsync();
        _api = StartApi(everyMs: 200);
        _worker = servers.StartWorker();
        await MendedAsync(skuId);

        await using var store = servers.OpenStore();
        var line = await store.OrderItems.SingleAsync(line => line.SkuId == skuId, Cancelled);
        Assert.Equal((second, buyer), ($"{line.OrderId}", line.UserId));
        Assert.Equal(Stock - 1, (long)await servers.Redis.StringGetAsync(sku.Stock));
    }

    /// <summary>With all of its data.</summary>
    private Task<bool> RestartRedisAsync(long skuId) => servers.Redis.HashSetAsync(new SkuKeys(skuId).Sale, "run_id", "another");

    /// <summary>An order that a worker is about to write: of a click now, or of one that Redis has lost.</summary>
    private async Task<(long OrderId, long Buyer)> OrderedAsync(long skuId, bool atTheGate)
    {
        var buyer = Interlocked.Increment(ref _lastBuyer);
        if (!atTheGate)
        {
            return ((skuId * 1_000_000) + buyer, buyer);
        }

        var placed = await _api.BuyAsync(buyer, skuId);
        Assert.Equal(200, placed.Status);
        return (Id(placed.Body.GetProperty("order_id")), buyer);
    }

    /// <summary>Why the loader does not load the SKU, apart from a row that is locked for longer than a load waits.</summary>
    private async Task<Exception> RefusalAsync(long skuId)
    {
        while (true)
        {
            var failed = (await _api.Get<StockWarmUp>().LoadAsync([skuId], Cancelled)).Failed;
            Assert.True(failed.ContainsKey(skuId), "The counter was loaded.");
            if (failed[skuId] is not SkuLockedException and var refusal)
            {
                return refusal;
            }
        }
    }
}
