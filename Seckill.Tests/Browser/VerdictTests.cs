using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

/// <summary>Only the shop's own answer ends a click: an answer from something in between leaves it open, with its number.</summary>
[Collection(nameof(ShopFloor))]
public sealed class VerdictTests(ShopFloor floor) : IAsyncLifetime
{
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await floor.ClearAsync(_cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData(403, "text/html", "<h1>Request blocked</h1>")]
    [InlineData(404, "application/json", """{"error":"no such route"}""")]
    [InlineData(401, "text/plain", "log in at the proxy")]
    public async Task A_click_whose_answer_is_lost_is_one_order_whatever_refuses_its_repeat(int status, string contentType, string body)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, limitPerUser: 5);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await RefuseRepeatsAsync(shop, status, contentType, body);

        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, status == 401 ? "Please log in again" : "very busy");
        await shop.ExpectStateAsync(skuId, "queueing");
        await shop.UnblockAsync("/api/seckill/orders");
        if (status == 401)
        {
            await Assertions.Expect(shop.Page.Locator("#login-user")).ToHaveValueAsync($"{shop.Buyer}");
            await shop.Page.Locator("#login-form button[type=submit]").ClickAsync();
        }

        await shop.ExpectStateAsync(skuId, "buy");
        await shop.ExpectSaidAsync(skuId, "Got it");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }

    [Theory]
    [InlineData(400, "ended")]
    [InlineData(403, "invalid purchase token")]
    [InlineData(404, "unknown sku")]
    public async Task A_click_whose_answer_is_lost_is_one_order_though_the_shop_refuses_its_repeat(int status, string error)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, limitPerUser: 5);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        var sent = await RefuseRepeatsAsync(
            shop, status, "application/problem+json", $$"""{"status":{{status}},"error":"{{error}}"}""");

        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "Got it");
        Assert.True(sent() > 1, "The click was not repeated.");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }

    [Fact]
    public async Task A_price_that_has_changed_is_said_and_the_order_names_what_it_cost()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, limitPerUser: 5);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        // The buyer's list still shows the old price.
        await shop.BlockAsync("/api/products");
        // No request from before is under way any more, whose answer could show the new one.
        await Assertions.Expect(shop.Page.Locator("#sales-error")).Not.ToBeEmptyAsync();
        await SetPriceAsync(skuId, 15);

        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "The price has changed");
        Assert.Equal(0, await floor.OrdersAsync(skuId, _cancellation));

        await shop.UnblockAsync("/api/products");
        await Assertions.Expect(shop.Card(skuId).Locator(".price strong")).ToContainTextAsync("15.00");
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "15.00");
        await SetPriceAsync(skuId, 20);
        await Assertions.Expect(shop.Card(skuId).Locator(".price strong")).ToContainTextAsync("20.00");
        await shop.ExpectSaidAsync(skuId, "15.00");
    }

    /// <summary>The first click reaches the shop, and its answer is lost; every repeat gets this answer.</summary>
    /// <returns>How many times the page has sent the click.</returns>
    private static async Task<Func<int>> RefuseRepeatsAsync(ShopPage shop, int status, string contentType, string body)
    {
        var sent = 0;
        await shop.Page.RouteAsync("**/api/seckill/orders**", async route =>
        {
            if (Interlocked.Increment(ref sent) == 1)
            {
                await route.FetchAsync();
                await route.AbortAsync();
                return;
            }

            await route.FulfillAsync(new RouteFulfillOptions { Status = status, ContentType = contentType, Body = body });
        });
        return () => sent;
    }

    private async Task SetPriceAsync(long skuId, int price)
    {
        await floor.System.CountAsync($"UPDATE product_skus SET price = {price} WHERE id = {skuId}; SELECT 1", _cancellation);
        using var client = floor.System.Client();
        await Deadline.UntilAsync(
            () => client.GetAsync("/api/products", _cancellation),
            answer => answer.Body.GetProperty("items").EnumerateArray().Any(item =>
                item.GetProperty("sku_id").GetString() == $"{skuId}" && item.GetProperty("price").GetDecimal() == price),
            _cancellation);
    }
}
