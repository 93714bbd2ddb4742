using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Seckill.Api.Edge;

namespace Seckill.Tests.Security;

/// <summary>
/// Whose word counts for a request's sender, and which hosts a production system starts with. <c>ForwardedHeaders_Enabled</c> is what
/// ASPNETCORE_FORWARDEDHEADERS_ENABLED sets: the framework then adds its middleware by itself and trusts every sender. Over real
/// connections, because the framework's test server has no addresses.
/// </summary>
[Trait("Category", "Quick")]
public sealed class SenderAndHostTests
{
    private const string FrameworkSwitch = "ForwardedHeaders_Enabled";
    private const string Client = "203.0.113.7";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("false")]
    [InlineData("true")]
    public async Task Without_a_known_proxy_nobody_says_whom_a_request_is_from(string frameworkSwitch)
    {
        await using var app = await StartAsync("Production", (FrameworkSwitch, frameworkSwitch));

        Assert.Equal("127.0.0.1 http", await AskAsync(app, Client));
    }

    [Theory]
    [InlineData("false")]
    [InlineData("true")]
    public async Task A_known_proxy_says_whom_a_request_is_from(string frameworkSwitch)
    {
        await using var app = await StartAsync(
            "Production", (FrameworkSwitch, frameworkSwitch), ("Edge:KnownProxies:0", "127.0.0.1"));

        Assert.Equal($"{Client} https", await AskAsync(app, Client));
    }

    [Theory]
    [InlineData("false")]
    [InlineData("true")]
    public async Task Headers_are_followed_no_further_than_configured(string frameworkSwitch)
    {
        await using var app = await StartAsync(
            "Production", (FrameworkSwitch, frameworkSwitch), ("Edge:KnownNetworks:0", "127.0.0.0/8"),
            ("Edge:KnownNetworks:1", "203.0.113.0/24"));

        Assert.Equal($"{Client} https", await AskAsync(app, $"198.51.100.9, {Client}"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ; ")]
    public async Task A_list_of_hosts_that_names_none_fails_startup_in_production(string hosts)
    {
        var refused = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync("Production", ("AllowedHosts", hosts)));

        Assert.Contains("AllowedHosts names no host", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Production", null)]
    [InlineData("Production", "*")]
    [InlineData("Production", "shop.example;127.0.0.1")]
    [InlineData("Development", "")]
    public async Task Other_lists_of_hosts_do_not(string environment, string? hosts)
    {
        await using var app = await StartAsync(environment, ("AllowedHosts", hosts));

        Assert.Equal("127.0.0.1 http", await AskAsync(app, Client));
    }

    private static async Task<string> AskAsync(WebApplication app, string forwardedFor)
    {
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        client.DefaultRequestHeaders.Add("X-Forwarded-For", forwardedFor);
        client.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        return await client.GetStringAsync("/sender", Cancelled);
    }

    private static async Task<WebApplication> StartAsync(string environment, params (string Name, string? Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = environment });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        foreach (var (name, value) in settings)
        {
            builder.Configuration[name] = value;
        }

        builder.AddServiceDefaults();
        builder.Services.AddEdge();
        var app = builder.Build();
        try
        {
            app.UseEdge();
            app.MapGet("/sender", (HttpContext http) => $"{http.Connection.RemoteIpAddress} {http.Request.Scheme}");
            await app.StartAsync(Cancelled);
            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }
}
