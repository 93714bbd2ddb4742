using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Browser;

/// <summary>Access to the console, its display of a burst, and its accessibility.</summary>
[Collection(nameof(ConsoleFloor))]
public sealed partial class ConsoleTests(ConsoleFloor floor)
{
    private const int BurstTimeoutMs = 120_000;

    private static readonly (string Path, string Heading)[] Pages =
    [
        ("/", "Live"), ("/sales", "Sales"), ("/orders", "Orders"), ("/repair", "Repair"), ("/dead-letters", "Dead letters"),
        ("/audit", "Audit"),
    ];

    private static readonly string[] Servers = ["Redis", "RabbitMQ", "MySQL"];
    private static readonly string[] Roles = ["api", "worker"];

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_operator_logs_in_reaches_the_requested_page_and_logs_out()
    {
        await using var console = await floor.EnterAsStrangerAsync();
        await console.Page.GotoAsync($"{floor.Url}/audit");
        await Expect(console.Heading).ToHaveTextAsync("Seckill console");
        await console.ExpectAccessibleAsync();
        await console.Page.FillAsync("#user_id", "77");
        await console.Page.ClickAsync("form[action='/login/demo'] button");
        await Expect(console.Heading).ToHaveTextAsync("Audit");
        await Expect(console.Page.Locator(".console-user")).ToHaveTextAsync("operator 77");
        await ExpectReloadAfterGivingUpAsync(console);

        await console.Button("Log out").ClickAsync();
        await Expect(console.Heading).ToHaveTextAsync("Seckill console");
        await console.Page.GotoAsync(floor.Url);
        await Expect(console.Heading).ToHaveTextAsync("Seckill console");
    }

    [Fact]
    public async Task A_buyer_is_refused()
    {
        await using var console = await floor.EnterAsync(role: null);
        foreach (var (path, _) in Pages)
        {
            await console.Page.GotoAsync(floor.Url + path);
            await Expect(console.Page.Locator("[role=alert]")).ToHaveTextAsync("You are logged in, but not as an operator.");
        }

        // Pasting the token does not make it an operator's.
        using var client = floor.System.Client();
        await console.Page.FillAsync("#token", await client.LogInAsync(9, _cancellation));
        await console.Page.ClickAsync("form[action='/login/token'] button");
        await Expect(console.Page.Locator("[role=alert]")).ToHaveTextAsync("You are logged in, but not as an operator.");

        await console.Page.FillAsync("#token", await client.LogInAsync(8, _cancellation, "operator"));
        await console.Page.ClickAsync("form[action='/login/token'] button");
        await Expect(console.Heading).ToHaveTextAsync("Audit");
        await Expect(console.Page.Locator(".console-user")).ToHaveTextAsync("operator 8");

        // The same browser's shop still belongs to the buyer.
        Assert.Contains("\"9\"", await SessionAsync(), StringComparison.Ordinal);
        await console.Button("Log out").ClickAsync();
        await Expect(console.Heading).ToHaveTextAsync("Seckill console");
        Assert.Contains("\"9\"", await SessionAsync(), StringComparison.Ordinal);

        async Task<string> SessionAsync() =>
            await (await console.Page.Context.APIRequest.GetAsync($"{floor.System.Apis[0].Url}/api/session")).TextAsync();
    }

    [Fact]
    public async Task A_burst_is_started_once_and_watched_to_its_end()
    {
        const int Buyers = 1_000;
        const string BurstSales = "SELECT COUNT(*) FROM product_skus WHERE title LIKE 'Demo burst%'";
        var before = await floor.System.CountAsync(BurstSales, _cancellation);
        await using var console = await floor.EnterAsync();
        await using var other = await floor.EnterAsync();
        ConsolePage[] windows = [console, other];
        foreach (var window in windows)
        {
            await window.OpenAsync("/", "Live");
            var buyers = window.Page.Locator("#burst-buyers");
            await Expect(buyers).ToHaveValueAsync("10000");
            await buyers.FillAsync($"{Buyers}");
            await buyers.BlurAsync();
        }

        // At once, before either window shows the other's burst: one of them starts it, and the other leaves no sale behind.
        await Task.WhenAll(windows.Select(window => window.Page.Locator(".burst-form").EvaluateAsync("form => form.requestSubmit()")));
        var burst = console.Page.Locator("[data-burst=Done]");
        await Expect(burst).ToBeVisibleAsync(new LocatorAssertionsToBeVisibleOptions { Timeout = BurstTimeoutMs });
        Assert.Equal(before + 1, await floor.System.CountAsync(BurstSales, _cancellation));

        await Expect(console.Figure("burst-queued")).ToHaveTextAsync("500");
        await Expect(burst).ToContainTextAsync("refused 500");
        await Expect(console.Figure("burst-written")).ToHaveTextAsync("500");
        var skuId = long.Parse(SkuOf().Match(await burst.InnerTextAsync()).Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.Equal(500, await floor.System.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id = {skuId}", _cancellation));
        Assert.Equal(0, await floor.System.CountAsync($"SELECT stock FROM product_skus WHERE id = {skuId}", _cancellation));

        // The chart shows the instances' pulses.
        var chart = console.Page.Locator("figure.chart svg").First;
        await Deadline.UntilAsync(
            async () => PeakOf("accepted", await chart.GetAttributeAsync("aria-label")), peak => peak > 0, _cancellation);
        await Deadline.UntilAsync(
            async () => PeakOf("orders written", await chart.GetAttributeAsync("aria-label")), peak => peak > 0, _cancellation);
        Assert.InRange((await console.Page.Locator("path.chart-line.line-accepted").GetAttributeAsync("d"))!.Count(c => c == 'L'), 2, 60);
        await Expect(console.Figure("p99")).ToHaveTextAsync(new Regex("^[0-9,]+$"));

        await Expect(console.Page.Locator($"tr[data-sku='{skuId}']")).ToContainTextAsync("balanced");
        foreach (var role in Roles)
        {
            // A stopped instance of another test may be listed as well.
            await Expect(console.Page.Locator($"tr[data-instance={role}]").Filter(new LocatorFilterOptions { HasText = "Healthy" }))
                .ToHaveCountAsync(1);
        }

        foreach (var server in Servers)
        {
            await Expect(console.Page.Locator($"[data-server={server}]")).ToContainTextAsync("is reachable from every instance");
        }

        await console.ExpectAccessibleAsync();
    }

    [Theory]
    [InlineData(1_360, false)]
    [InlineData(1_360, true)]
    [InlineData(412, false)]
    public async Task Every_page_can_be_read_by_everyone(int width, bool dark)
    {
        await floor.PutOnSaleAsync(_cancellation);
        await using var console = await floor.EnterAsync(width: width, dark: dark);
        foreach (var (path, heading) in Pages)
        {
            await console.OpenAsync(path, heading);
            await Expect(console.Page.Locator(path is "/orders" or "/dead-letters" ? "main" : "main table").First).ToBeVisibleAsync();
            await console.ExpectAccessibleAsync();
        }

        await console.OpenAsync("/sales", "Sales");
        await console.Button("New sale").ClickAsync();
        await Expect(console.Page.Locator("#sale-title")).ToBeVisibleAsync();
        await console.ExpectAccessibleAsync();
    }

    /// <summary>When Blazor has given up, the page keeps asking for itself, and is loaded again as soon as it gets an answer.</summary>
    private static async Task ExpectReloadAfterGivingUpAsync(ConsolePage console)
    {
        var address = console.Page.Url;
        var modal = console.Page.Locator("#components-reconnect-modal");
        await console.Page.RouteAsync(address, route => route.AbortAsync());
        await modal.EvaluateAsync(
            """
            modal => {
              modal.classList.add("components-reconnect-failed");
              modal.dispatchEvent(new CustomEvent("components-reconnect-state-changed", { detail: { state: "failed" } }));
            }
            """);
        await Expect(modal.GetByText("will be reloaded")).ToBeVisibleAsync();
        await Expect(modal.GetByText("Reconnecting")).ToBeHiddenAsync();
        await console.Page.UnrouteAsync(address);
        await Expect(modal).ToBeHiddenAsync();
        await Expect(console.Heading).ToHaveTextAsync("Audit");
    }

    private static double PeakOf(string line, string? description) =>
        Regex.Match(description ?? "", $"{line}: peak ([0-9,.]+)") is { Success: true } found
            ? double.Parse(found.Groups[1].Value, NumberStyles.Number, CultureInfo.InvariantCulture)
            : 0;

    [GeneratedRegex("SKU ([0-9]+)")]
    private static partial Regex SkuOf();
}
