using System.Security.Cryptography;
using Seckill.Tests.Browser;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Security;

/// <summary>An open page of the console while the console, or its keys, are replaced.</summary>
[Collection(nameof(ConsoleFloor))]
public sealed class ConsoleRestartTests(ConsoleFloor floor)
{
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public async Task An_open_page_outlives_a_restart_and_leads_to_the_login_when_the_keys_are_others()
    {
        var console = await floor.System.StartConsoleAsync(_cancellation);
        try
        {
            await using var operators = await floor.EnterAsync();
            await operators.Page.GotoAsync($"{console.Url}/sales");
            await Expect(operators.Heading).ToHaveTextAsync("Sales");
            await using var stranger = await floor.EnterAsStrangerAsync();
            await stranger.Page.GotoAsync($"{console.Url}/login");
            await Expect(stranger.Heading).ToHaveTextAsync("Seckill console");

            await floor.System.RestartAsync(console, _cancellation);
            await floor.System.WaitUntilHealthyAsync(console, _cancellation);
            // The form is from the previous process, whose keys are kept.
            await stranger.Page.ClickAsync("form[action='/login/demo'] button");
            await Expect(stranger.Heading).ToHaveTextAsync("Live");
            await Expect(operators.Page.Locator("#components-reconnect-modal")).ToBeHiddenAsync();
            await Expect(operators.Heading).ToHaveTextAsync("Sales");

            await floor.System.RestartAsync(
                console, _cancellation, ("Auth__SigningKey", RandomNumberGenerator.GetHexString(64, lowercase: true)));
            await floor.System.WaitUntilHealthyAsync(console, _cancellation);
            await Expect(operators.Heading).ToHaveTextAsync("Seckill console");
            Assert.EndsWith("/login?return=%2Fsales", operators.Page.Url, StringComparison.Ordinal);
        }
        finally
        {
            await floor.System.EndAsync(console, kill: true);
        }
    }

    [Fact]
    public async Task A_form_that_is_too_old_leads_to_a_fresh_one_that_says_so()
    {
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(floor.Url) };
        using var form = new FormUrlEncodedContent(
            new Dictionary<string, string> { ["token"] = "x", ["__RequestVerificationToken"] = "from another key" });
        using var answer = await http.PostAsync("/login/token", form, _cancellation);
        Assert.Equal("/login?return=%2F&fault=OldPage", answer.Headers.Location?.OriginalString);
        Assert.Contains("had expired", await http.GetStringAsync(answer.Headers.Location, _cancellation), StringComparison.Ordinal);
    }
}
