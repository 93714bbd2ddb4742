using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

/// <summary>The buyer's page in a window of its own, as a buyer sees it.</summary>
public sealed class ShopPage : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _scriptErrors = new();
    private readonly string _url;

    public ShopPage(IBrowserContext context, IPage page, string url, long buyer)
    {
        (Context, Page, _url, Buyer) = (context, page, url, buyer);
        page.SetDefaultTimeout(TestBrowser.TimeoutMs);
        page.PageError += (_, error) => _scriptErrors.Enqueue(error);
    }

    public IBrowserContext Context { get; }

    public IPage Page { get; }

    public long Buyer { get; }

    /// <summary>How the outcome arrives: <c>push</c>, <c>poll</c>, <c>away</c>, or empty without an open order.</summary>
    public ILocator Line => Page.Locator("#line");

    public ILocator Card(long skuId) => Page.Locator($"[data-sku='{skuId}']");

    public ILocator Button(long skuId) => Card(skuId).Locator("button");

    public ILocator Said(long skuId) => Card(skuId).Locator(".state");

    public async Task OpenAsync()
    {
        await Page.GotoAsync(_url);
        await Page.WaitForSelectorAsync(".sale");
    }

    /// <summary>The same buyer's page in one more tab, which is closed with the window.</summary>
    public async Task<ShopPage> OpenTabAsync()
    {
        var tab = new ShopPage(Context, await Context.NewPageAsync(), _url, Buyer);
        await tab.OpenAsync();
        return tab;
    }

    /// <summary>
    /// Waits until the buy button is in a state: buy, queueing, got, soldOut, limitReached, notStarted, ended, again, paused.
    /// </summary>
    public Task ExpectStateAsync(long skuId, string state) =>
        Assertions.Expect(Button(skuId)).ToHaveAttributeAsync("data-state", state);

    public Task ExpectSaidAsync(long skuId, string part) => Assertions.Expect(Said(skuId)).ToContainTextAsync(part);

    public Task ExpectLineAsync(string state) => Assertions.Expect(Line).ToHaveAttributeAsync("data-state", state);

    /// <summary>Makes calls to a path fail like a broken network.</summary>
    public Task BlockAsync(string path) => Page.RouteAsync($"**{path}**", route => route.AbortAsync());

    /// <summary>Makes every WebSocket close before it has opened: routes do not concern sockets.</summary>
    public Task BlockSocketsAsync() => Page.RouteWebSocketAsync("**", socket => socket.CloseAsync());

    public Task UnblockAsync(string path) => Page.UnrouteAsync($"**{path}**");

    /// <summary>Fails with every serious fault that axe finds.</summary>
    public Task ExpectAccessibleAsync() => Accessibility.ExpectAsync(Page);

    /// <summary>Closes the window; a script error fails the test.</summary>
    public async ValueTask DisposeAsync()
    {
        await Context.CloseAsync();
        Assert.Equal([], _scriptErrors);
    }
}
