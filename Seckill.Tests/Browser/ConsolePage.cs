using System.Collections.Concurrent;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Browser;

/// <summary>The console in a window of its own, as an operator sees it.</summary>
public sealed class ConsolePage : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _scriptErrors = new();
    private readonly IBrowserContext _context;
    private readonly string _url;

    public ConsolePage(IBrowserContext context, IPage page, string url)
    {
        (_context, Page, _url) = (context, page, url);
        page.SetDefaultTimeout(TestBrowser.TimeoutMs);
        page.PageError += (_, error) => _scriptErrors.Enqueue(error);
    }

    public IPage Page { get; }

    public ILocator Heading => Page.Locator("h1");

    public ILocator Dialog => Page.Locator(".mud-dialog");

    /// <summary>One figure of the live page.</summary>
    public ILocator Figure(string id) => Page.Locator($"[data-figure='{id}']");

    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = name, Exact = true });

    public ILocator DialogButton(string name) =>
        Dialog.GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = name, Exact = true });

    /// <summary>
    /// Opens a dialog, ready for typing: it focuses its first field a moment after it is shown, and earlier input
    /// would go there.
    /// </summary>
    public async Task OpenDialogAsync(string button)
    {
        await Button(button).ClickAsync();
        await Expect(Dialog.Locator("input").First).ToBeFocusedAsync();
    }

    /// <summary>Presses a button of the open dialog. It may still be opening, so a press without an effect is repeated.</summary>
    public async Task ConfirmAsync(string button)
    {
        for (var tries = 1; ; tries++)
        {
            if (tries > 1 && await Dialog.CountAsync() == 0)
            {
                // The press before has had its effect late.
                return;
            }

            await DialogButton(button).ClickAsync();
            try
            {
                await Expect(Dialog).ToHaveCountAsync(0, new LocatorAssertionsToHaveCountOptions { Timeout = 10_000 });
                return;
            }
            catch (PlaywrightException) when (tries < 3)
            {
            }
        }
    }

    /// <summary>Opens a page by its path and waits for its heading.</summary>
    public async Task OpenAsync(string path, string heading)
    {
        await Page.GotoAsync(_url + path);
        await Expect(Heading).ToHaveTextAsync(heading);
    }

    /// <summary>Expects the message that reports an action.</summary>
    public Task ExpectSaidAsync(string part) =>
        Expect(Page.Locator(".mud-snackbar", new PageLocatorOptions { HasText = part }).First).ToBeVisibleAsync();

    /// <summary>Fails with every serious fault that axe finds.</summary>
    public Task ExpectAccessibleAsync() => Accessibility.ExpectAsync(Page);

    /// <summary>Closes the window; a script error fails the test.</summary>
    public async ValueTask DisposeAsync()
    {
        await _context.CloseAsync();
        Assert.Equal([], _scriptErrors);
    }
}
