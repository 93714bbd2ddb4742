using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Browser;

/// <summary>How the outcome reaches the page when something is slow or away for a while.</summary>
[Collection(nameof(ShopFloor))]
public sealed class OutcomeOnPageTests(ShopFloor floor) : IAsyncLifetime
{
    /// <summary>Longer than the page waits before it mentions slowness; its clock is advanced by this.</summary>
    private const int SlowMs = 11_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await floor.ClearAsync(_cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_reload_in_the_middle_comes_back_to_the_queue_and_then_to_the_order()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectStateAsync(skuId, "queueing");
            await shop.ExpectLineAsync("push");
            await shop.Page.ReloadAsync();
            await shop.ExpectStateAsync(skuId, "queueing");
            await shop.ExpectLineAsync("push");
            await shop.ExpectSaidAsync(skuId, "in the queue");

            // The list of orders has it as well, although no worker has seen it.
            await shop.Page.ClickAsync("#nav-orders");
            await Expect(shop.Page.Locator("#orders .badge")).ToHaveTextAsync("In the queue");
            await shop.Page.ClickAsync("#nav-sales");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
        await Expect(shop.Line).ToHaveAttributeAsync("data-state", "");
    }

    [Fact]
    public async Task Slowness_is_never_called_failure()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.Page.Clock.InstallAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectStateAsync(skuId, "queueing");

            // The line opens after the click's answer: advancing the clock earlier would time out the click's own request.
            await shop.ExpectLineAsync("push");
            await shop.Page.Clock.FastForwardAsync(SlowMs);
            await shop.ExpectSaidAsync(skuId, "Still in the queue. Nothing is lost");
            await shop.ExpectStateAsync(skuId, "queueing");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task A_click_that_is_taken_at_the_second_try_is_in_the_queue_and_nothing_else()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.BlockAsync("/api/seckill/orders");
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectSaidAsync(skuId, "No connection. Your click is remembered");
            await shop.UnblockAsync("/api/seckill/orders");
            await shop.ExpectSaidAsync(skuId, "Your click is in the queue");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }

    [Fact]
    public async Task Push_alone_brings_the_outcome()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.BlockAsync("/api/orders/seckill/status");
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task Polling_alone_brings_the_outcome()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.BlockAsync("/api/orders/seckill/events");
        await shop.BlockSocketsAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectLineAsync("poll");
            await shop.ExpectStateAsync(skuId, "queueing");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task The_socket_takes_over_where_events_do_not_pass()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.BlockAsync("/api/orders/seckill/events");
        await shop.BlockAsync("/api/orders/seckill/status");
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectLineAsync("push");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task A_poll_that_fails_late_does_not_hide_an_open_connection()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        var polled = new TaskCompletionSource();
        var isOver = new TaskCompletionSource();
        await shop.Page.RouteAsync("**/api/orders/seckill/status**", async route =>
        {
            polled.TrySetResult();
            await isOver.Task;
            await route.AbortAsync();
        });
        await shop.BlockAsync("/api/orders/seckill/events");
        await shop.BlockSocketsAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await polled.Task.WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), _cancellation);
            await shop.UnblockAsync("/api/orders/seckill/events");
            await shop.ExpectLineAsync("push");
            isOver.SetResult();
            // Answered after the failed poll, which the page has therefore handled.
            await shop.Page.EvaluateAsync("() => fetch('/alive').then(() => undefined)");
            await shop.ExpectLineAsync("push");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task A_click_without_a_network_is_sent_when_it_is_back()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.Context.SetOfflineAsync(true);
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "No connection. Your click is remembered");
        await shop.Context.SetOfflineAsync(false);
        await shop.ExpectStateAsync(skuId, "got");
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }

    [Fact]
    public async Task A_network_lost_while_in_the_queue_is_made_good()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.ExpectLineAsync("push");
            await shop.Context.SetOfflineAsync(true);
            await shop.ExpectLineAsync("away");
            await shop.ExpectStateAsync(skuId, "queueing");
        }
        finally
        {
            floor.ContinueWorker();
        }

        // Decided while the page was offline.
        await Deadline.UntilAsync(() => floor.OrdersAsync(skuId, _cancellation), orders => orders == 1, _cancellation);
        await shop.Context.SetOfflineAsync(false);
        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task A_network_lost_without_an_open_order_leaves_no_trace()
    {
        await using var shop = await floor.EnterAsync();
        await shop.Context.SetOfflineAsync(true);
        await shop.Page.WaitForFunctionAsync("!navigator.onLine");
        await shop.Context.SetOfflineAsync(false);
        await shop.Page.WaitForFunctionAsync("navigator.onLine");
        await shop.ExpectLineAsync("");
    }

    [Fact]
    public async Task The_page_of_an_order_goes_on_after_an_error()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            await shop.Card(skuId).Locator("a").ClickAsync();
            await Expect(shop.Page.Locator(".badge")).ToHaveTextAsync("In the queue");
            await shop.Page.RouteAsync("**/api/orders/*", route => route.FulfillAsync(new RouteFulfillOptions
            {
                Status = 503,
                ContentType = "application/problem+json",
                Body = """{"status":503,"error":"busy"}""",
            }));
            await Expect(shop.Page.Locator("main [role=alert]")).ToContainTextAsync("busy");
            await Expect(shop.Page.Locator(".badge")).ToHaveTextAsync("In the queue");
            await shop.Page.UnrouteAsync("**/api/orders/*");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await Expect(shop.Page.Locator("#order-sn")).ToBeVisibleAsync();
        await Expect(shop.Page.Locator("main [role=alert]")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task An_answer_that_is_lost_makes_no_second_order()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, limitPerUser: 5);
        await using var shop = await floor.EnterAsync();
        var sent = new List<string>();
        await shop.Page.RouteAsync("**/api/seckill/orders", async route =>
        {
            sent.Add(route.Request.PostData!);
            if (sent.Count <= 2)
            {
                // The shop has the order, but the answer is lost.
                await route.FetchAsync();
                await route.AbortAsync();
            }
            else
            {
                await route.ContinueAsync();
            }
        });
        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "Got it");
        Assert.True(sent.Count >= 3, $"sent {sent.Count} times");
        Assert.Single(sent.Distinct());
        Assert.Equal(1, await floor.OrdersAsync(skuId, _cancellation));
    }
}
