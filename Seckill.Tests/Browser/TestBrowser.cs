using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

/// <summary>The machine's own Chromium, driven by Playwright; nothing is downloaded. Each test takes a context of its own: cookies, storage, language.</summary>
public sealed class TestBrowser : IAsyncLifetime
{
    /// <summary>How long a page may take to show what is expected of it.</summary>
    public const int TimeoutMs = 30_000;

    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];

    private IPlaywright _playwright = null!;
    private IBrowser _browser = null!;

    public async ValueTask InitializeAsync()
    {
        // Of the whole process, like Playwright's own five seconds, which are too few for a countdown and for a busy machine.
        Assertions.SetDefaultExpectTimeout(TimeoutMs);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Find(),
            // Root may not use Chromium's sandbox; the pages are our own. The rest keeps it from calling home.
            Args =
            [
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync",
            ],
        });
    }

    /// <param name="locale">What <c>navigator.language</c> says, such as <c>zh-CN</c>.</param>
    /// <param name="width">CSS pixels; below 600 it is a phone.</param>
    /// <param name="dark">Whether the buyer prefers dark pages.</param>
    public Task<IBrowserContext> NewContextAsync(string locale = "en-GB", int width = 1280, bool dark = false) =>
        _browser.NewContextAsync(new BrowserNewContextOptions
        {
            Locale = locale,
            ViewportSize = new ViewportSize { Width = width, Height = width < 600 ? 800 : 900 },
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
        });

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
    }

    private static string Find() =>
        Environment.GetEnvironmentVariable("SECKILL_CHROMIUM")
        ?? Names
            .SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException("No Chromium or Chrome on PATH: `./seckill test` installs one, or SECKILL_CHROMIUM names it.");
}
