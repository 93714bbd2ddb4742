using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Browser;

/// <summary>The page acts for the buyer that it shows, and for nobody else, whatever other tabs and the network do.</summary>
[Collection(nameof(ShopFloor))]
public sealed class SessionOnPageTests(ShopFloor floor) : IAsyncLifetime
{
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await floor.ClearAsync(_cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task The_later_of_two_logins_is_the_buyer()
    {
        await using var shop = await floor.EnterAsync(loggedIn: false);
        // The page must not give up the answer that is held back below.
        await shop.Page.EvaluateAsync("() => { AbortSignal.timeout = () => new AbortController().signal; }");
        var first = new TaskCompletionSource<IRoute>();
        var isOver = new TaskCompletionSource();
        await shop.Page.RouteAsync("**/api/session", async route =>
        {
            var answer = await route.FetchAsync();
            if (first.TrySetResult(route))
            {
                await isOver.Task;
            }

            await route.FulfillAsync(new RouteFulfillOptions { Response = answer });
        });
        await LogInAsync(shop, "69002");
        await first.Task.WaitAsync(_cancellation);
        await LogInAsync(shop, "69003");
        await Expect(shop.Page.Locator("#who")).ToHaveTextAsync("Buyer 69003");

        var answered = shop.Page.WaitForResponseAsync("**/api/session");
        isOver.SetResult();
        await answered;
        await shop.Page.EvaluateAsync("() => fetch('/alive').then(() => undefined)");
        await Expect(shop.Page.Locator("#who")).ToHaveTextAsync("Buyer 69003");
    }

    private static async Task LogInAsync(ShopPage shop, string buyer)
    {
        await shop.Page.ClickAsync("#log-in");
        await shop.Page.FillAsync("#login-user", buyer);
        await shop.Page.Locator("#login-form button[type=submit]").ClickAsync();
        await Expect(shop.Page.Locator("#login")).Not.ToBeVisibleAsync();
    }

    [Fact]
    public async Task A_click_is_never_sent_again_for_the_buyer_of_another_tab()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, limitPerUser: 5);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.BlockAsync("/api/seckill/orders");
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "No connection");
        // Before it repeats a click, the page asks whose the cookie is. No repeat may still be under way that was told so before the login
        // in the other tab: once the next one has asked, which here gets no answer, there is none.
        var asked = 0;
        await shop.Page.RouteAsync("**/api/session", route =>
        {
            Interlocked.Increment(ref asked);
            return route.AbortAsync();
        });
        await Deadline.UntilAsync(() => Task.FromResult(asked), count => count > 0, _cancellation);
        await BecomeAsync(shop, 69_300);
        await shop.UnblockAsync("/api/seckill/orders");
        await shop.Page.UnrouteAsync("**/api/session");

        // The click is due again, and the page finds out that the cookie is another buyer's.
        await Expect(shop.Page.Locator("#who")).ToHaveTextAsync("Buyer 69300");
        await shop.ExpectStateAsync(skuId, "buy");
        Assert.Equal(0, await floor.OrdersAsync(skuId, _cancellation));

        await BecomeAsync(shop, shop.Buyer);
        await shop.Page.EvaluateAsync("document.dispatchEvent(new Event('visibilitychange'))");
        await shop.ExpectSaidAsync(skuId, "Got it");
        Assert.Equal(1, await floor.System.CountAsync(
            $"SELECT COUNT(*) FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = {skuId} AND o.user_id = {shop.Buyer}",
            _cancellation));
    }

    [Fact]
    public async Task A_session_that_cannot_be_read_is_read_again_and_the_click_is_kept()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.BlockAsync("/api/session");
        await shop.Page.ReloadAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.Button(skuId).ClickAsync();
        await Expect(shop.Page.Locator("#notice")).ToContainTextAsync("Your click is remembered");
        await shop.UnblockAsync("/api/session");
        await shop.ExpectStateAsync(skuId, "got");
        await Expect(shop.Page.Locator("#notice")).ToBeHiddenAsync();
    }

    [Fact]
    public async Task A_dismissed_login_buys_nothing_later()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync(loggedIn: false);
        await shop.Button(skuId).ClickAsync();
        await Expect(shop.Page.Locator("#login")).ToBeVisibleAsync();
        await shop.Page.Keyboard.PressAsync("Escape");
        await Expect(shop.Page.Locator("#login")).Not.ToBeVisibleAsync();

        await LogInAsync(shop, "69004");
        await Expect(shop.Page.Locator("#who")).ToHaveTextAsync("Buyer 69004");
        await shop.ExpectStateAsync(skuId, "buy");
        Assert.Equal(0, await shop.Page.EvaluateAsync<int>("Object.keys(localStorage).filter(key => key.includes('.click.')).length"));
    }

    [Fact]
    public async Task A_visitor_of_a_shop_with_its_own_login_is_told_to_log_in_for_as_long_as_that_is_true()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync(loggedIn: false);
        await shop.Page.RouteAsync("**/api/session", route => route.FulfillAsync(new RouteFulfillOptions { Body = "{}" }));
        await shop.Page.ReloadAsync();
        await shop.Button(skuId).ClickAsync();
        await Expect(shop.Page.Locator("#notice")).ToHaveTextAsync("Log in at the shop first.");
        await shop.Page.WaitForResponseAsync("**/api/products");
        await shop.Page.WaitForResponseAsync("**/api/products");
        await Expect(shop.Page.Locator("#notice")).ToHaveTextAsync("Log in at the shop first.");

        await BecomeAsync(shop, 69_005);
        await shop.Page.UnrouteAsync("**/api/session");
        await shop.Page.EvaluateAsync("document.dispatchEvent(new Event('visibilitychange'))");
        await Expect(shop.Page.Locator("#who")).ToHaveTextAsync("Buyer 69005");
        await Expect(shop.Page.Locator("#notice")).ToBeHiddenAsync();
    }

    /// <summary>Another tab of the same browser logs in.</summary>
    private async Task BecomeAsync(ShopPage shop, long buyer)
    {
        var login = await shop.Context.APIRequest.PostAsync(
            $"{floor.Url}/api/demo/login", new APIRequestContextOptions { DataObject = new { user_id = buyer } });
        Assert.True(login.Ok, await login.TextAsync());
    }
}
