using Microsoft.Playwright;
using Seckill.Tests.Browser;

[assembly: AssemblyFixture(typeof(TestBrowser))]

namespace Seckill.Tests.Browser;

/// <summary>
/// The machine's own Chromium, driven by Playwright; nothing is downloaded. One per assembly, started when the first test opens a window.
/// Each test has its own context: cookies, storage, language.
/// </summary>
public sealed class TestBrowser : IAsyncDisposable
{
    /// <summary>Time within which a page must show the expected content.</summary>
    public const int TimeoutMs = 30_000;

    /// <summary>All browser tests share one launch, and a launch that fails is not repeated.</summary>
    private const int LaunchTimeoutMs = 120_000;

    /// <summary>A script that starts a browser is shorter, and the browser itself is not worth reading to its end.</summary>
    private const int ScriptLinesMax = 100;

    /// <summary>The headless shell first: it needs the least processor time.</summary>
    private static readonly string[] Names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

    private readonly Lazy<Task<(IPlaywright Playwright, IBrowser Browser)>> _started = new(StartAsync);

    /// <param name="locale">The value of <c>navigator.language</c>, such as <c>zh-CN</c>.</param>
    /// <param name="width">CSS pixels; below 600 it is a phone.</param>
    /// <param name="dark">Whether the buyer prefers dark pages.</param>
    public async Task<IBrowserContext> NewContextAsync(string locale = "en-GB", int width = 1280, bool dark = false) =>
        await (await _started.Value).Browser.NewContextAsync(new BrowserNewContextOptions
        {
            Locale = locale,
            ViewportSize = new ViewportSize { Width = width, Height = width < 600 ? 800 : 900 },
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
        });

    public async ValueTask DisposeAsync()
    {
        if (_started is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
        {
            var (playwright, browser) = await _started.Value;
            await browser.DisposeAsync();
            playwright.Dispose();
        }
    }

    private static async Task<(IPlaywright Playwright, IBrowser Browser)> StartAsync()
    {
        // For the whole process, instead of Playwright's five seconds, which are too few for a countdown and for a busy machine.
        Assertions.SetDefaultExpectTimeout(TimeoutMs);
        var playwright = await Playwright.CreateAsync();
        var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Find(),
            Timeout = LaunchTimeoutMs,
            // Chromium's sandbox does not work as root. The pages are our own, so sites need no processes of their own. The other arguments
            // keep it from calling home.
            Args =
            [
                "--no-sandbox", "--disable-site-isolation-trials", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
        });
        return (playwright, browser);
    }

    private static string Find() =>
        Environment.GetEnvironmentVariable("SECKILL_CHROMIUM")
        ?? Names
            .SelectMany(name =>
                (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(path => File.Exists(path) && !IsSnap(path))
        ?? throw new InvalidOperationException(
            "No Chromium or Chrome on PATH: `./seckill prepare` installs one, or SECKILL_CHROMIUM names it.");

    /// <summary>Ubuntu's Chromium, which cannot run everywhere and is confined to some folders, or the script that starts it.</summary>
    private static bool IsSnap(string path)
    {
        var file = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        return file.StartsWith("/snap/", StringComparison.Ordinal) || file == "/usr/bin/snap"
            || File.ReadLines(file).Take(ScriptLinesMax).Any(line => line.StartsWith("exec /snap/", StringComparison.Ordinal));
    }
}
