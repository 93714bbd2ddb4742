using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Ledger;

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
        var token = (await api.GetAsync($"/api/seckill/token?sku_id={skuId}", api.Buyer(_buyer))).Text("purchase_token");
        var first = await ClickAsync("first");
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
}
