using System.Data;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>
/// Redis has lost a click whose order stands in MySQL. Neither its repeat nor a query is answered as if there were no order.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class LostClickTests(OperationsFixture servers)
{
    private const string Token = "X-Purchase-Token";

    private static long _lastBuyer = 67_000;

    private readonly long _buyer = Interlocked.Increment(ref _lastBuyer);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_repeat_at_the_old_price_finds_its_order()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api);
        await using var worker = servers.StartWorker();
        var first = await ClickAsync("first", 1);
        await SettledAsync(skuId);
        await using (var store = servers.OpenStore())
        {
            await store.ProductSkus.Where(row => row.Id == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Price, 120m), Cancelled);
        }

        await api.Get<SaleCatalogue>().RefreshAsync(Cancelled);
        await servers.Redis.KeyDeleteAsync(new SkuKeys(skuId).All);

        // Cold at first; then the click is back, without its order's record.
        var again = await Deadline.UntilAsync(() => ClickAsync("first", 1), reply => reply.Status != 503, Cancelled);
        Assert.Equal((200, ""), (again.Status, again.Error));
        Assert.Equal(first.Text("order_id"), again.Text("order_id"));
        Assert.Equal("number used", (await ClickAsync("first", 2)).Error);
        // A new click is refused only when it is certain that it is new.
        var other = await Deadline.UntilAsync(() => ClickAsync("other", 1), reply => reply.Status != 503, Cancelled);
        Assert.Equal((409, "price changed"), (other.Status, other.Error));

        Task<Reply> ClickAsync(string number, int quantity) => api.PostAsync(
            "/api/seckill/orders", api.Buyer(_buyer),
            $$"""{"sku_id":{{skuId}},"quantity":{{quantity}},"client_order_no":"{{number}}","price":99.5}""");
    }

    [Fact]
    public async Task A_repeat_with_an_expired_token_finds_its_order()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"), ("Limits:PurchaseTokenSeconds", "1"));
        var skuId = await servers.PutOnSaleAsync(api, tokenRequired: true);
        await using var worker = servers.StartWorker();
        var token = "";
        // Repeated if necessary: on a busy machine a token may expire before the click.
        var first = await Deadline.UntilAsync(
            async () =>
            {
                token = (await api.GetAsync($"/api/seckill/token?sku_id={skuId}", api.Buyer(_buyer))).Text("purchase_token");
                return await ClickAsync("first");
            },
            reply => reply.Status == 200, Cancelled);
        var clicks = 0;
        await Deadline.UntilAsync(
            () => ClickAsync($"later-{clicks++}"), reply => reply.Error == "invalid purchase token", Cancelled);
        await SettledAsync(skuId);
        await servers.Redis.KeyDeleteAsync(new SkuKeys(skuId).All);

        var again = await Deadline.UntilAsync(() => ClickAsync("first"), reply => reply.Status != 503, Cancelled);

        Assert.Equal((200, ""), (again.Status, again.Error));
        Assert.Equal(first.Text("order_id"), again.Text("order_id"));
        // A new click is refused only when it is certain that it is new.
        var other = await Deadline.UntilAsync(() => ClickAsync("other"), reply => reply.Status != 503, Cancelled);
        Assert.Equal("invalid purchase token", other.Error);

        Task<Reply> ClickAsync(string number) => api.BuyAsync(_buyer, skuId, number, (Token, token));
    }

    /// <summary>Redis has neither the order nor a counter then, so settling the refusal records no click.</summary>
    [Fact]
    public async Task A_click_that_is_refused_while_the_counter_is_being_loaded_buys_nothing_when_it_is_repeated()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api);
        var sku = new SkuKeys(skuId);
        var firstId = skuId * 1_000_000;
        await using var store = servers.OpenStore();
        await RefuseAsync(store, skuId, firstId, _buyer, "before");
        await servers.Redis.KeyDeleteAsync(sku.All);
        // The worker's transaction: it holds the row while the load restores what has been committed so far.
        await using var worker = await store.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, Cancelled);
        await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE", Cancelled);
        await RefuseAsync(store, skuId, firstId + 1, _buyer, "meanwhile");
        var load = LoadAsync();
        await Deadline.UntilAsync(() => servers.Redis.HashExistsAsync(sku.Clicks, $"{_buyer}:before"), known => known, Cancelled);
        await worker.CommitAsync(Cancelled);
        Assert.True((await load)!.Loaded);

        foreach (var (click, orderId) in new[] { ("before", firstId), ("meanwhile", firstId + 1) })
        {
            var again = await api.BuyAsync(_buyer, skuId, click);
            Assert.Equal((200, $"{orderId}"), (again.Status, again.Text("order_id")));
            var told = await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}&client_order_no={click}", api.Buyer(_buyer));
            Assert.Equal(("FAILED", $"{orderId}"), (told.Text("status"), told.Text("order_id")));
        }

        Assert.Equal(10, await servers.Redis.StringGetAsync(sku.Stock));

        async Task<LoadedSku?> LoadAsync()
        {
            while (true)
            {
                try
                {
                    return await api.Get<StockLoad>().RunAsync(skuId, termsChanged: false, drained: true, Cancelled);
                }
                catch (TimeoutException)
                {
                    // The row is locked for longer than a load waits for it.
                }
            }
        }
    }

    /// <summary>
    /// A copy from before the order has taken over. Its counter was loaded once, like one that has never been lost.
    /// </summary>
    /// <param name="field">What tells the copy from the original, in the sale's hash.</param>
    /// <param name="value">Its value.</param>
    [Theory]
    [InlineData("run_id", "another")]
    [InlineData("run_id", "")]
    [InlineData("closed", "1")]
    public async Task An_order_that_a_copy_of_Redis_lacks_is_found_in_MySQL(string field, string value)
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api);
        var sku = new SkuKeys(skuId);
        await Deadline.UntilAsync(
            () => api.Get<StockRecovery>().NotedSkuIdsAsync(Cancelled), noted => noted.Contains(skuId), Cancelled);
        await using var worker = servers.StartWorker();
        var first = await api.BuyAsync(_buyer, skuId, "first");
        await SettledAsync(skuId);

        await servers.Redis.KeyDeleteAsync([sku.Orders, sku.Buyers, sku.Clicks]);
        await servers.Redis.HashSetAsync(sku.Sale, field, value);

        foreach (var query in (string[])["", "&client_order_no=first"])
        {
            var told = await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}{query}", api.Buyer(_buyer));
            Assert.Equal((200, ""), (told.Status, told.Error));
            Assert.Equal(("SUCCESS", first.Text("order_id")), (told.Text("status"), told.Text("order_id")));
        }
    }

    private Task<long> SettledAsync(long skuId) => Deadline.UntilAsync(
        () => servers.Redis.SortedSetLengthAsync(new SkuKeys(skuId).Outbox), unsettled => unsettled == 0, Cancelled);

    private static async Task RefuseAsync(OrderingDbContext store, long skuId, long orderId, long userId, string click)
    {
        store.OrderRejections.Add(new OrderRejection
        {
            OrderId = orderId,
            UserId = userId,
            SkuId = skuId,
            Quantity = 1,
            ClientOrderNo = click,
            Reason = "sold out",
            TraceId = "",
            CreatedAt = DateTime.UtcNow,
        });
        await store.SaveChangesAsync(Cancelled);
    }
}
