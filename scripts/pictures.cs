// Takes the pictures for the documents and the frames for the README's walk from a running system: scripts/pictures.sh starts the system,
// calls this with the system's local.json and a folder for the pictures, and joins the frames.
#:package Microsoft.Playwright
#:property PublishAot=false
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;

var (addressFile, folder) = (args[0], args[1]);
using var playwright = await Playwright.CreateAsync();
await using var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
{
    ExecutablePath = Environment.GetEnvironmentVariable("SECKILL_CHROMIUM"),
    Args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
});

var studio = new Studio(browser, JsonNode.Parse(await File.ReadAllTextAsync(addressFile))!, folder);
await studio.ShowTraceAsync();
await studio.FilmSaleAsync();
await studio.TakeSalesAsync();
await studio.FilmConsoleAsync();

/// <summary>The buyer's page, the console and the dashboard of one system, each in a window of its own.</summary>
internal sealed class Studio(IBrowser browser, JsonNode addresses, string folder)
{
    private const int WidthPx = 1_280;
    private const int HeightPx = 800;

    private const int SalesHeightPx = 765;
    private const int TraceHeightPx = 450;
    private const float PictureScale = 1.5f;

    private const int FilmedTracePx = 1_120;
    private const long Phone = 1001;
    private const long Headphones = 1002;
    private const long Coffee = 1003;
    private const long Bicycle = 1004;
    private const int CountdownMs = 5_000;
    private const int DayMs = 86_399_000;
    private const int Buyers = 20_000;
    private const int PointerMs = 700;
    private const int QueuedMs = 1_200;
    private const int NoticeMs = 1_000;
    private const int ChartMs = 70_000;
    private const int StepTimeoutMs = 60_000;

    private string Api => addresses["api"]!.GetValue<string>();

    /// <summary>An order's trace in the dashboard. Call it before any burst, during which exporters may drop spans.</summary>
    public async Task ShowTraceAsync()
    {
        var shop = await OpenAsync(WidthPx, SalesHeightPx, PictureScale, buyer: 7);
        await shop.GotoAsync(Api);
        foreach (var skuId in new[] { Phone, Coffee, Headphones })
        {
            // More than one, because the first orders are slowed by the system's start.
            await ButtonOf(shop, skuId, "buy").ClickAsync();
            await shop.Locator($"[data-sku='{skuId}']").GetByText("Got it: order").WaitForAsync();
        }

        var requests = shop.Context.APIRequest;
        var status = await ReadAsync(await requests.GetAsync($"{Api}/api/orders/seckill/status?sku_id={Headphones}"));
        var order = await ReadAsync(await requests.GetAsync($"{Api}/api/orders/{status.GetProperty("order_id").GetString()}"));
        var traceId = order.GetProperty("trace_id").GetString()!;

        var picture = await OpenAsync(WidthPx, TraceHeightPx, PictureScale, buyer: null);
        await OpenTraceAsync(picture, traceId);
        await SaveAsync(picture, "trace.png");

        var page = await OpenFilmedAsync(FilmedTracePx, buyer: null);
        await OpenTraceAsync(page, traceId);
        await page.CaptionAsync("Each order has one trace, from the click through RabbitMQ to the answer.");
        await new Film(page, folder, "3-trace").RecordAsync(() => Task.CompletedTask, secondsMax: 0, lastSeconds: 3);
        await shop.Context.CloseAsync();
    }

    /// <summary>The first seconds of a sale on the buyer's page.</summary>
    public async Task FilmSaleAsync()
    {
        var shop = await OpenFilmedAsync(WidthPx, buyer: 8);
        await BeginSaleAsync(Bicycle, CountdownMs);
        await shop.GotoAsync(Api);
        var buy = shop.Locator($"[data-sku='{Bicycle}'] button");
        await buy.WaitForAsync();
        await shop.CaptionAsync("A flash sale begins: one click, and the order is queued, then confirmed.");
        await shop.PointAtAsync(buy);

        await new Film(shop, folder, "1-shop").RecordAsync(async () =>
        {
            await ButtonOf(shop, Bicycle, "buy").WaitForAsync();
            await Task.Delay(PointerMs);
            await WithWorkerPausedAsync(async () =>
            {
                await buy.ClickAsync();
                await ButtonOf(shop, Bicycle, "queueing").WaitForAsync();
                await Task.Delay(QueuedMs);
            });
            await ButtonOf(shop, Bicycle, "got").WaitForAsync();
        }, secondsMax: 4.5, lastSeconds: 1.2);
        await BeginSaleAsync(Bicycle, DayMs);
        await shop.Context.CloseAsync();
    }

    /// <summary>The buyer's page with one order settled and one in the queue.</summary>
    public async Task TakeSalesAsync()
    {
        var shop = await OpenAsync(WidthPx, SalesHeightPx, PictureScale, buyer: 9);
        await shop.GotoAsync(Api);
        await ButtonOf(shop, Phone, "buy").ClickAsync();
        await ButtonOf(shop, Phone, "got").WaitForAsync();
        await ButtonOf(shop, Bicycle, "notStarted").WaitForAsync();
        await WithWorkerPausedAsync(async () =>
        {
            await ButtonOf(shop, Coffee, "buy").ClickAsync();
            await ButtonOf(shop, Coffee, "queueing").WaitForAsync();
            await SaveAsync(shop, "page.png");
        });
        await shop.Context.CloseAsync();
    }

    /// <summary>The console during a burst.</summary>
    public async Task FilmConsoleAsync()
    {
        var console = await OpenFilmedAsync(WidthPx, buyer: null);
        var picture = await OpenAsync(WidthPx, HeightPx, PictureScale, buyer: null);
        await picture.GotoAsync(addresses["console"]!.GetValue<string>());
        await console.GotoAsync(addresses["console"]!.GetValue<string>());

        // The charts show a minute, during which the worker must not have been paused.
        await Task.Delay(ChartMs);
        await console.CaptionAsync("The console during a rush: accepted clicks, waiting orders and written orders, live.");
        await console.Locator("#burst-buyers").FillAsync(Buyers.ToString(CultureInfo.InvariantCulture));
        await console.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Demo burst", Exact = true }).ClickAsync();
        await new Film(console, folder, "2-console").RecordAsync(async () =>
        {
            await console.Locator("[data-burst='Clicking']").WaitForAsync();
            await picture.WaitForFunctionAsync(
                "least => +document.querySelector(`[data-figure='burst-queued']`)?.textContent.replace(/\\D/g, '') >= least", Buyers / 2);
            await SaveAsync(picture, "console-live.png");
            await console.Locator("[data-burst='Done']").WaitForAsync();
        }, secondsMax: 4.5, lastSeconds: 1);
    }

    private static ILocator ButtonOf(IPage shop, long skuId, string state) =>
        shop.Locator($"[data-sku='{skuId}'] button[data-state='{state}']");

    /// <summary>Keeps orders in the queue, because they are usually settled before a picture of that can be taken.</summary>
    private async Task WithWorkerPausedAsync(Func<Task> act)
    {
        await SignalWorkerAsync("-STOP");
        try
        {
            await act();
        }
        finally
        {
            await SignalWorkerAsync("-CONT");
        }
    }

    private async Task SignalWorkerAsync(string signal)
    {
        await Process.Start("kill", [signal, addresses["processes"]!["order-worker"]!.ToString()]).WaitForExitAsync();
    }

    /// <summary>A window that is filmed as wide as every other, however many CSS pixels it has.</summary>
    private Task<IPage> OpenFilmedAsync(int widthPx, long? buyer) =>
        OpenAsync(widthPx, widthPx * HeightPx / WidthPx, (float)WidthPx / widthPx, buyer);

    /// <summary>A window of a buyer who is logged in, or of an operator.</summary>
    private async Task<IPage> OpenAsync(int widthPx, int heightPx, float scale, long? buyer)
    {
        var context = await browser.NewContextAsync(new BrowserNewContextOptions
        {
            Locale = "en-GB",
            ColorScheme = ColorScheme.Light,
            ViewportSize = new ViewportSize { Width = widthPx, Height = heightPx },
            DeviceScaleFactor = scale,
        });
        await LogInAsync(context, buyer);
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(StepTimeoutMs);
        return page;
    }

    private async Task<JsonElement> LogInAsync(IBrowserContext context, long? buyer) =>
        await ReadAsync(await context.APIRequest.PostAsync($"{Api}/api/demo/login", new APIRequestContextOptions
        {
            DataObject = buyer is { } user ? new { user_id = user } : (object)new { user_id = 1, role = "operator" },
        }));

    /// <summary>Makes a sale begin this many milliseconds from now.</summary>
    private async Task BeginSaleAsync(long skuId, int inMs)
    {
        await using var operators = await browser.NewContextAsync();
        var login = await LogInAsync(operators, buyer: null);
        await ReadAsync(await operators.APIRequest.PutAsync($"{Api}/api/ops/sales/{skuId}", new APIRequestContextOptions
        {
            Headers = [new("Authorization", $"Bearer {login.GetProperty("token").GetString()}")],
            DataObject = new { starts_at_ms = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + inMs },
        }));
    }

    private async Task OpenTraceAsync(IPage page, string traceId)
    {
        var dashboard = addresses["dashboard"]!.GetValue<string>();
        await page.GotoAsync(dashboard);
        await page.GotoAsync(new Uri(new Uri(dashboard), $"/traces/detail/{traceId}").ToString());
        await page.GetByText("settle").First.WaitForAsync();
        // Without a development certificate the dashboard shows a notice, which has nothing to do with the trace.
        var notice = page.Locator(
            "xpath=//*[text()='No trusted development certificate']/ancestor::*[.//button or .//fluent-button][1]"
                + "//*[self::button or self::fluent-button]");
        await Task.Delay(NoticeMs);
        if (await notice.CountAsync() > 0)
        {
            await notice.First.ClickAsync();
            await notice.First.WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Detached });
        }
    }

    private async Task SaveAsync(IPage page, string name) =>
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, name) });

    private static async Task<JsonElement> ReadAsync(IAPIResponse response) =>
        response.Ok
            ? (await response.JsonAsync())!.Value
            : throw new InvalidOperationException($"{response.Url}: {response.Status} {await response.TextAsync()}");
}

/// <summary>A recording of one window: a picture for each change, and how long it was shown.</summary>
internal sealed class Film(IPage page, string folder, string name)
{
    private const int EveryMs = 100;
    private const double ShownSecondsMin = 0.05;

    private readonly List<(TimeSpan At, byte[] Picture)> _frames = [];

    /// <summary>Records an action. Writes the frames, and their list with times for ffmpeg: a long recording is sped up.</summary>
    public async Task RecordAsync(Func<Task> act, double secondsMax, double lastSeconds)
    {
        var clock = Stopwatch.StartNew();
        var acting = act();
        while (!acting.IsCompleted)
        {
            await TakeAsync(clock.Elapsed);
            await Task.WhenAny(acting, Task.Delay(EveryMs));
        }

        await acting;
        await TakeAsync(clock.Elapsed);
        await WriteAsync(secondsMax, lastSeconds);
    }

    private async Task WriteAsync(double secondsMax, double lastSeconds)
    {
        var pace = Math.Min(1, secondsMax / (_frames[^1].At - _frames[0].At).TotalSeconds);
        var list = new List<string>();
        for (var i = 0; i < _frames.Count; i++)
        {
            var file = string.Create(CultureInfo.InvariantCulture, $"{name}-{i:000}.png");
            await File.WriteAllBytesAsync(Path.Combine(folder, file), _frames[i].Picture);
            var seconds = i == _frames.Count - 1 ? lastSeconds : (_frames[i + 1].At - _frames[i].At).TotalSeconds * pace;
            list.Add(string.Create(CultureInfo.InvariantCulture, $"file '{file}'\nduration {Math.Max(seconds, ShownSecondsMin):0.00}"));
        }

        await File.WriteAllLinesAsync(Path.Combine(folder, $"{name}.frames"), list);
    }

    private async Task TakeAsync(TimeSpan at)
    {
        var picture = await page.ScreenshotAsync();
        if (_frames.Count == 0 || !picture.AsSpan().SequenceEqual(_frames[^1].Picture))
        {
            _frames.Add((at, picture));
        }
    }
}

internal static class Stage
{
    /// <summary>A line at the bottom of the page that describes it.</summary>
    public static Task CaptionAsync(this IPage page, string text) => page.EvaluateAsync(
        """
        text => {
          const line = document.createElement('div');
          line.textContent = text;
          line.style.cssText = 'position:fixed;left:0;right:0;bottom:0;z-index:99999;padding:1vw 2vw;background:#12192b;color:#fff;'
            + 'font:600 1.6vw system-ui,sans-serif;text-align:center';
          document.body.append(line);
        }
        """, text);

    /// <summary>A ring around the button that is about to be pressed: a headless browser has no visible pointer.</summary>
    public static Task PointAtAsync(this IPage page, ILocator target) => target.EvaluateAsync(
        "button => { button.style.outline = '4px solid #1d4ed8'; button.style.outlineOffset = '3px'; }");
}
