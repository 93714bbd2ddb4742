using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Browser;

/// <summary>The buyer's page against the running system.</summary>
[Collection(nameof(ShopFloor))]
public sealed class BuyerPageTests(ShopFloor floor) : IAsyncLifetime
{
    /// <summary>All but the confirm, whose time is not recorded if the outcome overtakes it.</summary>
    private static readonly string[] StoredHops = ["clicked", "reserved", "picked_up", "committed", "told"];

    private static readonly string[] Files = ["/", "/js/main.js", "/css/shop.css", "/img/bolt.svg"];

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await floor.ClearAsync(_cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_newcomer_logs_in_buys_and_finds_the_orders_way()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync(loggedIn: false);
        await shop.Button(skuId).ClickAsync();
        await shop.Page.FillAsync("#login-user", "69001");
        await shop.Page.Locator("#login-form button[type=submit]").ClickAsync();

        // The click was kept until after the login.
        await shop.ExpectStateAsync(skuId, "got");
        await shop.ExpectSaidAsync(skuId, "¥9.90");
        await Expect(shop.Page.Locator("#who")).ToHaveTextAsync("Buyer 69001");

        await shop.Page.ClickAsync("#nav-orders");
        var row = shop.Page.Locator("#orders tr");
        await Expect(row).ToHaveCountAsync(1);
        await Expect(row).ToContainTextAsync("Test SKU");
        await row.Locator("a").ClickAsync();
        var number = await shop.Page.Locator("#order-sn").TextContentAsync();
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
        Assert.Equal(1, await floor.System.CountAsync(
            $"SELECT COUNT(*) FROM orders WHERE order_sn = '{number}' AND user_id = 69001", _cancellation));

        // Settling follows the commit; the page polls until then.
        foreach (var hop in StoredHops)
        {
            await Expect(shop.Page.Locator($"#timeline li.passed[data-hop={hop}] time")).ToBeVisibleAsync();
        }

        await Expect(shop.Page.Locator("#timeline li[data-hop=confirmed] time")).ToBeVisibleAsync();

        await Expect(shop.Page.Locator("#trace-id")).ToHaveTextAsync(new Regex("^[0-9a-f]{32}$"));
    }

    [Fact]
    public async Task A_sold_out_sale_says_so_and_sells_again_when_stock_comes_back()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, units: 1);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await Expect(shop.Card(skuId).Locator("progress")).ToHaveJSPropertyAsync("value", 100.0);
        await BuyElsewhereAsync(69_100, skuId);
        await shop.ExpectStateAsync(skuId, "soldOut");
        await Expect(shop.Button(skuId)).ToBeDisabledAsync();
        await Expect(shop.Card(skuId)).ToContainTextAsync("None left");

        await floor.System.RedisConnection.GetDatabase().StringIncrementAsync($"stock:sku:{skuId}");
        await shop.ExpectStateAsync(skuId, "buy");
        await Expect(shop.Button(skuId)).ToBeEnabledAsync();
    }

    [Fact]
    public async Task A_click_on_a_list_that_is_out_of_date_is_told_why()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, units: 1);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.BlockAsync("/api/products");
        // No request from before is under way any more: its answer could already show that nothing is left.
        await Expect(shop.Page.Locator("#sales-error")).Not.ToBeEmptyAsync();
        await BuyElsewhereAsync(69_200, skuId);

        await shop.Button(skuId).ClickAsync();
        await shop.ExpectStateAsync(skuId, "again");
        await shop.ExpectSaidAsync(skuId, "All units are taken");
        // The other buyer's, which nobody waited for.
        await Deadline.UntilAsync(() => floor.OrdersAsync(skuId, _cancellation), orders => orders == 1, _cancellation);
    }

    [Fact]
    public async Task Clicks_in_a_row_are_one_click()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, limitPerUser: 5);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.Button(skuId).EvaluateAsync("button => { for (let i = 0; i < 20; i++) button.click(); }");
        await shop.ExpectSaidAsync(skuId, "Got it");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));

        // Buying once more is another click.
        await shop.Button(skuId).ClickAsync();
        await Deadline.UntilAsync(() => floor.OrdersAsync(skuId, _cancellation), orders => orders == 2, _cancellation);
    }

    [Fact]
    public async Task A_buyer_at_the_limit_is_told_so()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await BuyElsewhereAsync(shop.Buyer, skuId);
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectStateAsync(skuId, "limitReached");
        await Expect(shop.Button(skuId)).ToBeDisabledAsync();
    }

    [Fact]
    public async Task A_sale_opens_by_itself_and_ends_by_itself_by_the_servers_clock()
    {
        var opening = await floor.PutOnSaleAsync(_cancellation, startsIn: TimeSpan.FromHours(1), endsIn: TimeSpan.FromHours(2));
        var ending = await floor.PutOnSaleAsync(_cancellation, endsIn: TimeSpan.FromHours(1));
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(opening, "notStarted");
        await Expect(shop.Button(opening)).ToBeDisabledAsync();
        await shop.ExpectStateAsync(ending, "buy");

        // Both sales share one wait, which begins when all of the above has been seen. It is long enough for the page to learn of the new
        // times on a busy machine, and to show the countdowns' last nine seconds.
        const string Soon = "UTC_TIMESTAMP(6) + INTERVAL 20 SECOND";
        await floor.System.CountAsync(
            $"UPDATE seckill_sales SET starts_at = {Soon} WHERE sku_id = {opening}; "
                + $"UPDATE seckill_sales SET ends_at = {Soon} WHERE sku_id = {ending}; SELECT 1",
            _cancellation);
        await Expect(shop.Card(opening)).ToContainTextAsync("Starts in 00:00:0");
        await Expect(shop.Card(ending)).ToContainTextAsync("Ends in 00:00:0");
        await shop.ExpectStateAsync(opening, "buy");
        await Expect(shop.Button(opening)).ToBeEnabledAsync();
        await shop.ExpectStateAsync(ending, "ended");
        await Expect(shop.Button(ending)).ToBeDisabledAsync();
    }

    [Fact]
    public async Task Both_languages_are_whole_and_the_choice_is_kept()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync("zh-CN");
        await Expect(shop.Button(skuId)).ToHaveTextAsync("立即抢购");
        await Expect(shop.Card(skuId)).ToContainTextAsync("剩余 10 件（100%）");
        await Expect(shop.Page.Locator("html")).ToHaveAttributeAsync("lang", "zh-CN");
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "抢到了");

        await shop.Page.ClickAsync("#language");
        await shop.ExpectSaidAsync(skuId, "Got it");
        await shop.Page.ReloadAsync();
        await shop.ExpectSaidAsync(skuId, "Got it");
        var missing = await shop.Page.EvaluateAsync<string[]>(
            """
            async () => {
              const { en, zh } = (await import('/js/words.js')).words;
              return Object.keys({ ...en, ...zh }).filter(key => typeof en[key] !== typeof zh[key]);
            }
            """);
        Assert.Equal([], missing);
    }

    [Theory]
    [InlineData(1280, false)]
    [InlineData(390, true)]
    public async Task Axe_finds_no_serious_fault_on_any_view(int width, bool dark)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await floor.PutOnSaleAsync(_cancellation, startsIn: TimeSpan.FromHours(1));
        await using var shop = await floor.EnterAsync(width: width, dark: dark);
        await shop.ExpectAccessibleAsync();
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectStateAsync(skuId, "got");
        await shop.ExpectAccessibleAsync();
        Assert.True(
            await shop.Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window");

        await shop.Page.ClickAsync("#log-in");
        await Expect(shop.Page.Locator("#login")).ToBeVisibleAsync();
        await shop.ExpectAccessibleAsync();
        await shop.Page.ClickAsync("#login-cancel");
        await shop.Page.ClickAsync("#nav-orders");
        await Expect(shop.Page.Locator("#orders tr")).ToHaveCountAsync(1);
        await shop.ExpectAccessibleAsync();
        await shop.Page.ClickAsync("#orders a");
        await Expect(shop.Page.Locator("#timeline")).ToBeVisibleAsync();
        await shop.ExpectAccessibleAsync();
    }

    [Fact]
    public async Task The_keyboard_is_enough_to_buy()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.Page.Keyboard.PressAsync("Tab");
        await Expect(shop.Page.Locator(".skip")).ToBeFocusedAsync();
        for (var presses = 0; presses < 200
            && await shop.Button(skuId).EvaluateAsync<bool>("button => button !== document.activeElement"); presses++)
        {
            await shop.Page.Keyboard.PressAsync("Tab");
        }

        await Expect(shop.Button(skuId)).ToBeFocusedAsync();
        await shop.Page.Keyboard.PressAsync("Enter");
        await shop.ExpectStateAsync(skuId, "got");

        // The skip link leads to the content of the view that is open.
        await shop.Page.ClickAsync("#nav-orders");
        await Expect(shop.Page.Locator("#orders tr")).ToHaveCountAsync(1);
        await shop.Page.Locator(".skip").FocusAsync();
        await shop.Page.Keyboard.PressAsync("Enter");
        await Expect(shop.Page.Locator("#main")).ToBeFocusedAsync();
        await Expect(shop.Page).ToHaveURLAsync(new Regex("#/orders$"));
        await Expect(shop.Page.Locator("#orders tr")).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task The_pages_files_may_be_kept_by_a_cdn()
    {
        await using var shop = await floor.EnterAsync(loggedIn: false);
        foreach (var path in Files)
        {
            var first = await shop.Context.APIRequest.GetAsync(floor.Url + path);
            Assert.Equal((200, "public, max-age=60, stale-while-revalidate=600"), (first.Status, first.Headers["cache-control"]));
            Assert.DoesNotContain("set-cookie", first.Headers.Keys);
            var again = await shop.Context.APIRequest.GetAsync(
                floor.Url + path,
                new APIRequestContextOptions { Headers = new Dictionary<string, string> { ["If-None-Match"] = first.Headers["etag"] } });
            Assert.Equal(304, again.Status);
        }
    }

    [Fact]
    public async Task A_row_with_odd_data_hides_no_other_sale()
    {
        var odd = await floor.PutOnSaleAsync(_cancellation);
        var good = await floor.PutOnSaleAsync(_cancellation);
        await floor.System.CountAsync(
            $"UPDATE product_skus SET attrs = 'null', image = '' WHERE id = {odd}; SELECT 1", _cancellation);
        using var client = floor.System.Client();
        await Deadline.UntilAsync(
            () => client.GetAsync("/api/products", _cancellation),
            answer => answer.Body.GetProperty("items").EnumerateArray().Any(item =>
                item.GetProperty("sku_id").GetString() == $"{odd}" && item.GetProperty("attrs").ValueKind == JsonValueKind.Null),
            _cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(good, "buy");
        await shop.ExpectStateAsync(odd, "buy");
    }

    /// <summary>A click of any buyer that this page does not know of.</summary>
    private async Task BuyElsewhereAsync(long buyer, long skuId)
    {
        using var client = floor.System.Client();
        var answer = await client.BuyAsync(await client.LogInAsync(buyer, _cancellation), skuId, _cancellation);
        Assert.Equal("queued", answer.Text("message"));
    }
}
