using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

/// <summary>Many tabs of one buyer: a browser gives a shop six connections over HTTP/1.1, and the tabs share one line.</summary>
[Collection(nameof(ShopFloor))]
public sealed class TabsTests(ShopFloor floor) : IAsyncLifetime
{
    private const int More = 8;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await floor.ClearAsync(_cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Nine_tabs_share_one_line_and_each_is_told()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        var lines = Lines(shop.Context);
        await NoQuestionsAsync(shop.Context);
        var tabs = new List<ShopPage> { shop };
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectLineAsync("push");
            for (var i = 0; i < More; i++)
            {
                tabs.Add(await shop.OpenTabAsync());
            }

            foreach (var tab in tabs)
            {
                await tab.ExpectStateAsync(skuId, "queueing");
                await tab.ExpectLineAsync("push");
            }
        }
        finally
        {
            floor.ContinueWorker();
        }

        foreach (var tab in tabs)
        {
            await tab.ExpectStateAsync(skuId, "got");
            await tab.ExpectLineAsync("");
        }

        Assert.Single(lines.Distinct());
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }

    [Theory]
    [InlineData("closed")]
    [InlineData("about to be frozen")]
    [InlineData("standing still")]
    public async Task Another_tab_takes_over_when_the_one_with_the_line_is(string end)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        var lines = Lines(shop.Context);
        await NoQuestionsAsync(shop.Context);
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectLineAsync("push");
            var tabs = new[] { await shop.OpenTabAsync(), await shop.OpenTabAsync() };
            foreach (var tab in tabs)
            {
                await tab.ExpectLineAsync("push");
            }

            Assert.Equal([shop.Page], lines);
            await EndAsync(shop.Page, end);
            await Deadline.UntilAsync(
                () => Task.FromResult(lines.ToArray()), opened => opened.Any(page => page != shop.Page), _cancellation);
            foreach (var tab in tabs)
            {
                await tab.ExpectLineAsync("push");
            }

            floor.ContinueWorker();
            foreach (var tab in tabs)
            {
                await tab.ExpectStateAsync(skuId, "got");
            }
        }
        finally
        {
            floor.ContinueWorker();
        }
    }

    [Theory]
    [InlineData("delete Navigator.prototype.locks")]
    [InlineData("delete window.BroadcastChannel")]
    public async Task Tabs_that_cannot_agree_on_one_line_ask_now_and_then(string script)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.Context.AddInitScriptAsync(script);
        var lines = Lines(shop.Context);
        await shop.Page.ReloadAsync();
        var other = await shop.OpenTabAsync();
        floor.PauseWorker();
        try
        {
            await shop.BlockAsync("/api/orders/seckill/status");
            await shop.Button(skuId).ClickAsync();
            await other.ExpectLineAsync("poll");
            await shop.ExpectLineAsync("away");
            await shop.UnblockAsync("/api/orders/seckill/status");
            await shop.ExpectLineAsync("poll");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
        await other.ExpectStateAsync(skuId, "got");
        Assert.Empty(lines);
    }

    [Fact]
    public async Task A_click_of_a_tab_that_was_closed_is_sent_by_another()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        var other = await shop.OpenTabAsync();
        await other.Page.Clock.InstallAsync();
        await shop.BlockAsync("/api/seckill/orders");
        await shop.Button(skuId).ClickAsync();
        await other.ExpectSaidAsync(skuId, "No connection");
        await shop.Page.CloseAsync();
        await other.Page.Clock.FastForwardAsync(60_000);
        await other.ExpectStateAsync(skuId, "got");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }

    /// <summary>The pages that have opened a line, in order.</summary>
    private static ConcurrentQueue<IPage> Lines(IBrowserContext context)
    {
        var lines = new ConcurrentQueue<IPage>();
        context.Request += (_, request) =>
        {
            if (request.Url.Contains("/api/orders/seckill/events", StringComparison.Ordinal))
            {
                lines.Enqueue(request.Frame.Page);
            }
        };
        return lines;
    }

    /// <summary>The outcome can only have come over the line.</summary>
    private static Task<IAsyncDisposable> NoQuestionsAsync(IBrowserContext context) =>
        context.RouteAsync("**/api/orders/seckill/status**", route => route.AbortAsync());

    private static async Task EndAsync(IPage page, string how)
    {
        if (how == "closed")
        {
            await page.CloseAsync();
            return;
        }

        if (how == "about to be frozen")
        {
            // Headless Chromium never freezes a page; this is the event that it would raise first.
            await page.EvaluateAsync("document.dispatchEvent(new Event('freeze'))");
            return;
        }

        var session = await page.Context.NewCDPSessionAsync(page);
        await session.SendAsync("Debugger.enable");
        await session.SendAsync("Debugger.pause");
    }
}
