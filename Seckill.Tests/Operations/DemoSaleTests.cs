using Seckill.Bench.Demo;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>What a demonstration leaves behind.</summary>
[Collection(OperationsTests.Name)]
public sealed class DemoSaleTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_demonstration_that_is_over_leaves_its_orders_and_books_without_it()
    {
        const long buyer = 64_000;
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "200"));
        await using var worker = servers.StartWorker();
        var skuId = await DemoSale.CreateAsync(servers.OpenStore, 5, Cancelled);
        var sku = new SkuKeys(skuId);
        await servers.WaitUntilLoadedAsync(api, skuId);
        Assert.Equal(200, (await api.BuyAsync(buyer, skuId, "demo")).Status);
        await Deadline.UntilAsync(() => servers.Redis.SortedSetLengthAsync(sku.Outbox), unsettled => unsettled == 0, Cancelled);

        await DemoSale.RemoveAsync(servers.OpenStore, servers.Redis.Multiplexer, skuId, Cancelled);

        await Deadline.UntilAsync(() => IsInBooksAsync(api, skuId), found => !found, Cancelled);
        Assert.Equal(0, await servers.Redis.KeyExistsAsync(sku.All));
        // The buyer's order stays, and so does its status, even by the click alone.
        await Deadline.UntilAsync(
            async () => (await api.GetAsync("/api/products")).Body.ToString(),
            products => !products.Contains($"\"{skuId}\"", StringComparison.Ordinal), Cancelled);
        var status = await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}&client_order_no=demo", api.Buyer(buyer));
        Assert.Equal((200, "SUCCESS"), (status.Status, status.Text("status")));
    }

    private static async Task<bool> IsInBooksAsync(ApiHost api, long skuId) =>
        (await api.BooksAsync()).GetProperty("items").EnumerateArray().Any(item => item.GetProperty("sku_id").GetString() == $"{skuId}");
}
