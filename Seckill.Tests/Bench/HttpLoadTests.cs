using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Seckill.Bench.Load;

namespace Seckill.Tests.Bench;

/// <summary>The loads against a server that stalls once: the open loop must show what the closed loop hides.</summary>
[Trait("Category", "Quick")]
public sealed class HttpLoadTests
{
    private const int StallMs = 600;
    private const int StallAtRequest = 40;

    // The stall delays some 120 answers, counted from when each was due.
    private const int HeldUpByStallMin = 50;

    // A busy machine may delay some answers by itself; this bound still tells the closed loop from the open one.
    private const int HeldUpAnywayMax = HeldUpByStallMin - 1;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_open_loop_counts_the_wait_of_those_who_could_not_even_ask()
    {
        await using var app = await StallingServerAsync();
        var result = await LoadOf(app).OpenAsync(200, TimeSpan.FromSeconds(2), Cancelled);
        Assert.Equal(400, result.Answered);
        // About 120 were due during the stall, three quarters of them more than 150 ms before its end.
        Assert.InRange(CountAbove(result, StallMs / 4), HeldUpByStallMin, 400);
    }

    [Fact]
    public async Task The_closed_loop_shows_the_stall_only_to_those_who_were_in_it()
    {
        await using var app = await StallingServerAsync();
        var result = await LoadOf(app).ClosedAsync(400, null, Cancelled);
        Assert.Equal(400, result.Answered);
        Assert.InRange(CountAbove(result, StallMs / 2), 1, HeldUpAnywayMax);
    }

    [Fact]
    public async Task Answers_are_counted_by_status()
    {
        await using var app = await ServerAsync(number => number % 4 == 0 ? 200 : number % 4 == 1 ? 400 : 503, stallAt: -1);
        var result = await LoadOf(app).ClosedAsync(40, null, Cancelled);
        Assert.Equal((10, 10, 20L), (result.Accepted, result.Refused, result.Other[503]));
    }

    private static long CountAbove(LoadResult result, int milliseconds) =>
        result.LatenciesUs.RecordedValues().Where(step => step.ValueIteratedTo > milliseconds * 1_000)
            .Sum(step => step.CountAddedInThisIterationStep);

    private static HttpLoad LoadOf(WebApplication app)
    {
        var shop = new HttpShop(new Uri(app.Urls.Single()));
        return new HttpLoad(shop, [shop.Request(HttpShop.OrderPath, "token", 1)], connectionCount: 2);
    }

    private static Task<WebApplication> StallingServerAsync() => ServerAsync(_ => 200, StallAtRequest);

    private static async Task<WebApplication> ServerAsync(Func<int, int> statusOf, int stallAt)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var stalled = new SemaphoreSlim(1);
        var number = -1;
        app.MapPost(HttpShop.OrderPath, async (CancellationToken cancellationToken) =>
        {
            var mine = Interlocked.Increment(ref number);
            await stalled.WaitAsync(cancellationToken);
            if (mine == stallAt)
            {
                await Task.Delay(StallMs, cancellationToken);
            }

            stalled.Release();
            return Results.Text("{}", "application/json", statusCode: statusOf(mine));
        });
        await app.StartAsync(Cancelled);
        return app;
    }
}
