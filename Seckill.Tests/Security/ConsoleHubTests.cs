using System.Net;
using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Seckill.Console.Frame;
using Seckill.ServiceDefaults.Login;
using Seckill.Tests.Browser;

namespace Seckill.Tests.Security;

/// <summary>The hub of the console's pages is for operators only, from the console's own pages, with a limit on connections.</summary>
[Collection(nameof(ConsoleFloor))]
public sealed class ConsoleHubTests(ConsoleFloor floor)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, true, HttpStatusCode.Unauthorized)]
    [InlineData("buyer", true, HttpStatusCode.Forbidden)]
    [InlineData("operator", false, HttpStatusCode.Forbidden)]
    [InlineData("operator", true, HttpStatusCode.OK)]
    public async Task A_circuit_is_for_an_operator_on_a_page_of_the_console(string? role, bool own, HttpStatusCode expected)
    {
        var issuer = new TokenIssuer(CheckoutKeys.SigningKey);
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = new Uri(floor.Url) };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1");
        request.Headers.Add("Origin", own ? floor.Url : "https://elsewhere.example");
        if (role is not null)
        {
            request.Headers.Add("Cookie", $"{LoginOptions.Cookie}={(role == "operator" ? issuer.ForOperator() : issuer.ForBuyer(7))}");
        }

        using var answer = await http.SendAsync(request, Cancelled);

        Assert.Equal(expected, answer.StatusCode);
    }

    [Fact]
    public async Task A_page_is_kept_by_no_cache()
    {
        using var http = new HttpClient { BaseAddress = new Uri(floor.Url) };
        using var login = await http.GetAsync("/login", Cancelled);
        Assert.Contains("no-store", login.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        using var file = await http.GetAsync("/favicon.svg", Cancelled);
        Assert.DoesNotContain("no-store", file.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_address_is_answered_with_a_page_that_says_so()
    {
        using var http = new HttpClient { BaseAddress = new Uri(floor.Url) };
        using var answer = await http.GetAsync("/sale", Cancelled);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("Page not found", await answer.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_circuits_than_allowed_are_told_to_come_later()
    {
        var guard = new HubGuard(Options.Create(new HubOptions { ConnectionsMax = 1 }));
        var leaves = new TaskCompletionSource();
        var first = guard.GuardAsync(AtHub(), _ => leaves.Task);

        var second = AtHub();
        await guard.GuardAsync(second, _ => throw new InvalidOperationException("one too many"));
        Assert.Equal(503, second.Response.StatusCode);

        leaves.SetResult();
        await first;
        var third = AtHub();
        await guard.GuardAsync(third, http => http.Response.WriteAsync("in", Cancelled));
        Assert.Equal(200, third.Response.StatusCode);
    }

    private static DefaultHttpContext AtHub()
    {
        var http = new DefaultHttpContext
        {
            User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(LoginOptions.RoleClaim, LoginOptions.OperatorRole)], "test")),
        };
        (http.Request.Method, http.Request.Path) = ("GET", "/_blazor");
        return http;
    }
}
