using System.Globalization;
using System.Text.Json;
using CsCheck;
using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

/// <summary>The page's pauses, whatever a server asks for.</summary>
[Collection(nameof(ShopFloor))]
public sealed class PauseTests(ShopFloor floor) : IAsyncLifetime
{
    private const int SecondsWatched = 8;
    private const int StepsPerSecond = 10;

    /// <summary>At 0, 1, 3, 7 and 15 s, each up to a quarter sooner, and a few more for the time that the steps themselves take.</summary>
    private const int SendsMax = 8;

    /// <summary>A minute, and a quarter more.</summary>
    private const int LongestPauseMs = 75_000;

    private static readonly string[] Pieces =
    [
        "0", "1", "-1", "9", "99999999999", "Wed, ", "21 Oct ", "2015 ", "9999", "07:28:00 ", "GMT", "NaN", "Infinity", "e", ".", " ", "x",
        "\u79d2",
    ];

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await floor.ClearAsync(_cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData(null)]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("soon")]
    [InlineData("Wed, 21 Oct 2015 07:28:00 GMT")]
    [InlineData("Fri, 31 Dec 9999 23:59:59 GMT")]
    [InlineData("99999999999999999999")]
    public async Task A_click_is_never_sent_in_a_tight_loop_and_always_again(string? retryAfter)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        await shop.Page.Clock.InstallAsync();
        var sent = 0;
        await shop.Page.RouteAsync("**/api/seckill/orders**", route =>
        {
            Interlocked.Increment(ref sent);
            return route.FulfillAsync(new RouteFulfillOptions
            {
                Status = 503,
                ContentType = "application/json",
                Body = """{"error":"busy"}""",
                Headers = retryAfter is null ? [] : new Dictionary<string, string> { ["Retry-After"] = retryAfter },
            });
        });

        await shop.Button(skuId).ClickAsync();
        await shop.ExpectSaidAsync(skuId, "very busy");
        for (var i = 0; i < SecondsWatched * StepsPerSecond; i++)
        {
            await shop.Page.Clock.RunForAsync(1_000 / StepsPerSecond);
        }

        Assert.InRange(sent, 1, SendsMax);
        await shop.UnblockAsync("/api/seckill/orders");
        await shop.Page.Clock.FastForwardAsync(LongestPauseMs);
        await shop.ExpectStateAsync(skuId, "got");
    }

    [Fact]
    public async Task Any_Retry_After_is_a_pause_from_nothing_to_a_minute()
    {
        await using var shop = await floor.EnterAsync(loggedIn: false);
        var headers = Gen.Int[0, Pieces.Length - 1].Array[0, 6].Select(chosen => string.Concat(chosen.Select(i => Pieces[i])))
            .Array[500].Single();

        var pauses = await ReadAsync(shop, headers);

        Assert.All(pauses, pause => Assert.InRange(pause, 0, 60_000));
        var read = await ReadAsync(
            shop, "3", Date(TimeSpan.FromSeconds(30)), Date(TimeSpan.FromDays(1)), Date(TimeSpan.FromSeconds(-30)), "soon");
        Assert.Equal([3_000, 30_000, 60_000, 0, 0], read);
    }

    [Fact]
    public async Task A_line_that_ends_as_soon_as_it_is_open_is_opened_ever_more_slowly()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.ExpectStateAsync(skuId, "buy");
        var opened = 0;
        await shop.BlockAsync("/api/orders/seckill/status");
        await shop.Page.RouteAsync("**/api/orders/seckill/events**", route =>
        {
            Interlocked.Increment(ref opened);
            return route.FulfillAsync(new RouteFulfillOptions
            {
                ContentType = "text/event-stream",
                Body = "retry: 0\nevent: listening\ndata: {}\n\nevent: outcome\ndata: nonsense\n\n",
            });
        });
        await shop.Page.Clock.InstallAsync();
        floor.PauseWorker();
        try
        {
            await shop.Button(skuId).ClickAsync();
            // Until the line is opened again, and so the first one has ended: the page shows that it has none only for a moment.
            await Deadline.UntilAsync(
                async () =>
                {
                    await shop.Page.Clock.RunForAsync(1_000 / StepsPerSecond);
                    return opened;
                }, count => count > 1, _cancellation);
            for (var i = 0; i < SecondsWatched * StepsPerSecond; i++)
            {
                await shop.Page.Clock.RunForAsync(1_000 / StepsPerSecond);
            }

            Assert.InRange(opened, 2, SendsMax);
            await shop.UnblockAsync("/api/orders/seckill/events");
        }
        finally
        {
            floor.ContinueWorker();
        }

        await shop.Page.Clock.FastForwardAsync(LongestPauseMs);
        await shop.ExpectStateAsync(skuId, "got");
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("<html>Log in to this network</html>")]
    [InlineData("""{"now_ms":"soon","items":"none"}""")]
    public async Task A_list_that_is_not_the_shops_is_asked_for_again(string body)
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        await using var shop = await floor.EnterAsync();
        await shop.Page.RouteAsync("**/api/products**", route => route.FulfillAsync(new RouteFulfillOptions { Body = body }));
        await Assertions.Expect(shop.Page.Locator("#sales-error")).Not.ToBeEmptyAsync();
        await shop.UnblockAsync("/api/products");
        await Assertions.Expect(shop.Page.Locator("#sales-error")).ToBeEmptyAsync();
        await shop.ExpectStateAsync(skuId, "buy");
    }

    private static string Date(TimeSpan fromEpoch) => (DateTimeOffset.UnixEpoch + TimeSpan.FromDays(1) + fromEpoch)
        .ToString("R", CultureInfo.InvariantCulture);

    /// <summary>The page's pause for these headers when the server's clock is one day after the epoch.</summary>
    private static async Task<double[]> ReadAsync(ShopPage shop, params string[] headers)
    {
        var json = await shop.Page.EvaluateAsync<string>(
            """
            async headers => {
              const { retryAfterMs } = await import('/js/pauses.js');
              return JSON.stringify(headers.map(header => String(retryAfterMs(header, 86_400_000))));
            }
            """,
            headers);
        return [.. JsonSerializer.Deserialize<string[]>(json)!.Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
    }
}
