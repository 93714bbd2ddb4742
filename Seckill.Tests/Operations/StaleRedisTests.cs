using System.Data;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>
/// Redis and MySQL disagree: another server's data, an older copy, terms or orders that are not listed.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class StaleRedisTests(OperationsFixture servers)
{
    private const int Stock = 10;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>Like a moved cluster slot, or a Redis restarted with its file.</summary>
    [Fact]
    public async Task Another_server_with_all_the_data_is_loaded_again_and_sells_meanwhile()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        Assert.Equal(200, (await api.BuyAsync(62_000, skuId)).Status);
        var epoch = (await servers.LoadOfAsync(skuId)).Epoch;
        await using var store = servers.OpenStore();
        await using var other = await store.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, Cancelled);
        await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE", Cancelled);
        // Only now, or the instance itself may load before the row is locked.
        await servers.Redis.HashSetAsync(sku.Sale, "run_id", "another");

        // Repeated if necessary: a load waits for the row for two seconds at most.
        var load = Deadline.UntilAsync(
            () => api.Get<StockWarmUp>().LoadAsync([skuId], Cancelled), result => !result.Loaded.IsEmpty, Cancelled);
        await Deadline.UntilAsync(servers.LockWaitsAsync, waits => waits > 0, Cancelled);
        Assert.Equal(200, (await api.BuyAsync(62_001, skuId)).Status);
        await other.RollbackAsync(Cancelled);

        // Loaded once, by this call or by the instance itself, which was notified of the new sale.
        var loaded = Assert.Single((await load).Loaded);
        Assert.Equal((Stock - 2, epoch + 1), (loaded.Stock, loaded.Epoch));
        Assert.Equal(2, await servers.Redis.HashGetAsync(sku.Sale, "held"));
    }

    /// <summary>Only the data itself reveals it: the server hides its run id, and nobody clicks.</summary>
    [Fact]
    public async Task A_copy_without_an_order_that_was_accepted_is_loaded_with_what_its_buyers_hold()
    {
        const long buyer = 63_000;
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        await using (servers.StartWorker())
        {
            Assert.Equal(200, (await api.BuyAsync(buyer, skuId)).Status);
            await SettledAsync();
            await servers.Redis.HashSetAsync(sku.Sale, "run_id", "");
            var copy = await Task.WhenAll(sku.All.Select(key => servers.Redis.KeyDumpAsync(key)));
            Assert.Equal(200, (await api.BuyAsync(buyer, skuId)).Status);
            await SettledAsync();
            await servers.Redis.KeyDeleteAsync(sku.All);
            foreach (var (key, value) in sku.All.Zip(copy).Where(entry => entry.Second is not null))
            {
                await servers.Redis.KeyRestoreAsync(key, value!);
            }
        }

        Assert.Equal("1", ((string)(await servers.Redis.HashGetAsync(sku.Buyers, buyer))!).Split('|')[0]);
        var result = await api.Get<StockWarmUp>().LoadAsync([skuId], Cancelled);

        Assert.Equal(Stock - 2, Assert.Single(result.Loaded).Stock);
        Assert.Equal("limit reached", (await api.BuyAsync(buyer, skuId)).Error);

        Task SettledAsync() => Deadline.UntilAsync(
            () => servers.Redis.SortedSetLengthAsync(sku.Outbox), unsettled => unsettled == 0, Cancelled);
    }

    /// <summary>
    /// A server that was away took the last load but one, and is back with all of its data: the load since was another server's, and is no
    /// addition of stock.
    /// </summary>
    [Fact]
    public async Task A_load_by_another_server_is_not_taken_for_an_addition_of_stock()
    {
        const long buyer = 63_050;
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        await using var worker = servers.StartWorker();
        Assert.Equal(200, (await api.BuyAsync(buyer, skuId)).Status);
        await Deadline.UntilAsync(() => servers.Redis.SortedSetLengthAsync(sku.Outbox), unsettled => unsettled == 0, Cancelled);
        await using (var store = servers.OpenStore())
        {
            await store.ProductSkus.Where(row => row.Id == skuId).ExecuteUpdateAsync(
                set => set.SetProperty(row => row.GateEpoch, row => row.GateEpoch + 1)
                    .SetProperty(row => row.GateLoad, LoadId.NewToken()),
                Cancelled);
        }

        // The order came to the other server.
        await servers.Redis.HashDeleteAsync(sku.Buyers, buyer);
        await Deadline.UntilAsync(
            () => api.Get<StockWarmUp>().LoadAsync([skuId], Cancelled), result => !result.Loaded.IsEmpty, Cancelled);

        Assert.Equal("1", ((string)(await servers.Redis.HashGetAsync(sku.Buyers, buyer))!).Split('|')[0]);
    }

    [Fact]
    public async Task A_click_finds_its_order_or_its_refusal_also_when_Redis_has_forgotten_it()
    {
        const long winner = 63_100, loser = 63_101;
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, stock: 2);
        var sku = new SkuKeys(skuId);
        await using var worker = servers.StartWorker();
        var won = await api.BuyAsync(winner, skuId, "won");
        await SettledAsync();
        // Another program takes the gate's remaining units.
        await using (var store = servers.OpenStore())
        {
            await store.ProductSkus.Where(row => row.Id == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Stock, 0), Cancelled);
        }

        var lost = await api.BuyAsync(loser, skuId, "lost");
        await SettledAsync();

        await servers.Redis.KeyDeleteAsync(sku.All);
        // The load waits until the queue has been drained.
        var again = await Deadline.UntilAsync(() => api.BuyAsync(winner, skuId, "won"), reply => reply.Status != 503, Cancelled);
        Assert.Equal((200, won.Text("order_id")), (again.Status, again.Text("order_id")));
        var refused = await api.BuyAsync(loser, skuId, "lost");
        Assert.Equal((200, lost.Text("order_id")), (refused.Status, refused.Text("order_id")));
        var told = await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}&client_order_no=lost", api.Buyer(loser));
        Assert.Equal("FAILED", told.Text("status"));
        // A different request with the same number is refused, as before the loss.
        var others = await Task.WhenAll(OtherQuantityAsync(winner, "won"), OtherQuantityAsync(loser, "lost"));
        Assert.Equal(["number used", "number used"], others.Select(reply => reply.Error));
        Assert.Equal("sold out", (await api.BuyAsync(loser, skuId, "another")).Error);

        Task<Reply> OtherQuantityAsync(long userId, string click) => api.PostAsync(
            "/api/seckill/orders", api.Buyer(userId), $$"""{"sku_id":{{skuId}},"quantity":2,"client_order_no":"{{click}}"}""");

        Task SettledAsync() => Deadline.UntilAsync(
            () => servers.Redis.SortedSetLengthAsync(sku.Outbox), unsettled => unsettled == 0, Cancelled);
    }

    [Fact]
    public async Task An_instance_that_is_not_told_which_server_it_asks_loads_once_when_it_starts()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var epoch = (await servers.LoadOfAsync(skuId)).Epoch;
        await Deadline.UntilAsync(
            () => api.Get<StockRecovery>().NotedSkuIdsAsync(Cancelled), noted => noted.Contains(skuId), Cancelled);
        await servers.Redis.HashSetAsync(new SkuKeys(skuId).Sale, "run_id", "");
        Assert.False(Assert.Single((await api.Get<StockWarmUp>().LoadAsync([skuId], Cancelled)).Loaded).Loaded);

        await using var another = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        await servers.WaitUntilLoadedAsync(another, skuId);

        await Deadline.UntilAsync(() => servers.LoadOfAsync(skuId), load => load.Epoch == epoch + 1, Cancelled);
        Assert.Equal(200, (await api.BuyAsync(66_000, skuId)).Status);
    }

    [Fact]
    public async Task Terms_that_Redis_was_given_by_an_instance_that_died_are_those_of_MySQL_after_the_next_round()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "200"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        Assert.Equal(200, (await api.BuyAsync(64_000, skuId)).Status);

        // As if another instance had paused the sale, then resumed it in MySQL alone, before this one read either.
        await servers.Redis.HashSetAsync(sku.Sale, "paused", 1);
        await Deadline.UntilAsync(() => servers.Redis.HashGetAsync(sku.Sale, "paused"), paused => paused == 0, Cancelled);
        Assert.Equal(200, (await api.BuyAsync(64_001, skuId)).Status);

        await using var store = servers.OpenStore();
        var ended = DateTime.UtcNow.AddMinutes(-1);
        await store.SeckillSales.Where(sale => sale.SkuId == skuId)
            .ExecuteUpdateAsync(set => set.SetProperty(sale => sale.EndsAt, ended), Cancelled);
        await Deadline.UntilAsync(
            () => servers.Redis.HashGetAsync(sku.Sale, "ends_ms"),
            ends => ends == new DateTimeOffset(ended, TimeSpan.Zero).ToUnixTimeMilliseconds(), Cancelled);
        Assert.Equal(400, (await api.BuyAsync(64_002, skuId)).Status);
        // No counter has been loaded for it.
        Assert.Equal(1, (await servers.LoadOfAsync(skuId)).Epoch);
    }

    [Fact]
    public async Task Orders_of_a_sale_whose_row_is_gone_are_published_all_the_same()
    {
        long skuId;
        await using (var api = servers.StartApi())
        {
            skuId = await servers.PutOnSaleAsync(api, Stock);
            await Deadline.UntilAsync(
                () => api.Get<StockRecovery>().NotedSkuIdsAsync(Cancelled), noted => noted.Contains(skuId), Cancelled);
        }

        // Reserved by an instance that died before publishing.
        var sku = new SkuKeys(skuId);
        var order = new ReserveRequest(skuId * 1_000_000, 65_000, 1, null, null);
        await using (var store = servers.OpenStore())
        {
            Assert.Equal(
                ReserveCode.Accepted,
                (await new StockLedger(servers.Redis.Multiplexer).ReserveAsync(sku, [order], Cancelled)).Results[0].Code);
            await store.SeckillSales.Where(sale => sale.SkuId == skuId).ExecuteDeleteAsync(Cancelled);
        }

        await using (var looking = servers.StartApi(("Reconciliation:EveryMs", "3600000"), ("Publish:SweepEveryMs", "60000")))
        {
            var books = await looking.BooksAsync();
            var item = books.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("sku_id").GetString() == $"{skuId}");
            Assert.Equal(
                (true, 1, false),
                (item.GetProperty("sale_gone").GetBoolean(), item.GetProperty("held").GetInt32(),
                    books.GetProperty("healthy").GetBoolean()));
        }

        await using var another = servers.StartApi(
            ("Publish:SweepEveryMs", "100"), ("Publish:ConfirmTimeoutMs", "1000"), ("Publish:SweepGraceMs", "2000"),
            ("Publish:OrphanLookEveryMs", "100"));
        await using var worker = servers.StartWorker();
        await Deadline.UntilAsync(
            () => another.Get<StockLedger>().FindAsync(sku, order.OrderId, Cancelled), found => found is { State: OrderState.Success },
            Cancelled);
    }

    [Fact]
    public async Task The_highest_limit_so_far_is_kept_when_it_is_lowered()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        foreach (var (limit, highest) in new (int, int?)[] { (3, null), (1, 3), (2, 3), (5, 3), (4, 5) })
        {
            var answer = await api.PutAsync($"/api/ops/sales/{skuId}", api.Operator, $$"""{"limit_per_user":{{limit}}}""");
            Assert.Equal(200, answer.Status);
            await using var store = servers.OpenStore();
            var sale = await store.SeckillSales.AsNoTracking().SingleAsync(sale => sale.SkuId == skuId, Cancelled);
            Assert.Equal((limit, highest), (sale.LimitPerUser, sale.LimitHighest));
        }
    }
}
