using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.Api.Edge;

namespace Seckill.Tests.Security;

/// <summary>
/// What <c>Edge:HttpsRedirect</c> sends to HTTPS. Over real connections, because the framework's test server has no addresses and accepts
/// forwarded headers from everyone.
/// </summary>
[Trait("Category", "Quick")]
public sealed class HttpsRedirectTests
{
    private const string Here = "127.0.0.1";
    private const string Elsewhere = "192.0.2.1";
    private const string Listing = "/api/products?page=2";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Here, "http", "https://shop.example/api/products?page=2")]
    [InlineData(Here, "https", null)]
    // From inside, as the console asks.
    [InlineData(Here, null, null)]
    [InlineData(Elsewhere, null, null)]
    // Not a known proxy, so its headers do not count.
    [InlineData(Elsewhere, "http", null)]
    public async Task With_a_known_proxy_only_what_reached_it_over_plain_HTTP_is_redirected(string proxy, string? scheme, string? leadsTo)
    {
        await using var app = await StartAsync(("Edge:KnownProxies:0", proxy));

        using var answer = await AskAsync(app, Listing, scheme);

        Assert.Equal(leadsTo is null ? HttpStatusCode.OK : HttpStatusCode.TemporaryRedirect, answer.StatusCode);
        Assert.Equal(leadsTo, answer.Headers.Location?.OriginalString);
    }

    [Fact]
    public async Task Another_port_is_part_of_the_address()
    {
        await using var app = await StartAsync(("Edge:KnownNetworks:0", "127.0.0.0/8"), ("Edge:HttpsPort", "8443"));

        using var answer = await AskAsync(app, Listing, "http");

        Assert.Equal("https://shop.example:8443/api/products?page=2", answer.Headers.Location?.OriginalString);
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData("8443", null, "https://127.0.0.1:8443/api/products?page=2")]
    [InlineData("8443", "9443", "https://127.0.0.1:9443/api/products?page=2")]
    public async Task Without_a_proxy_the_frameworks_port_counts_unless_ours_is_set(string? frameworks, string? ours, string? leadsTo)
    {
        await using var app = await StartAsync(("https_port", frameworks), ("Edge:HttpsPort", ours));

        using var answer = await AskAsync(app, Listing);

        Assert.Equal(leadsTo is null ? HttpStatusCode.OK : HttpStatusCode.TemporaryRedirect, answer.StatusCode);
        Assert.Equal(leadsTo, answer.Headers.Location?.OriginalString);
    }

    [Theory]
    [InlineData("/health")]
    [InlineData("/alive")]
    [InlineData("/started")]
    public async Task A_probe_is_never_redirected(string path)
    {
        await using var plain = await StartAsync(("https_port", "443"));
        await using var behindProxy = await StartAsync(("Edge:KnownProxies:0", Here));

        using var other = await AskAsync(plain, Listing);
        using var direct = await AskAsync(plain, path);
        using var forwarded = await AskAsync(behindProxy, path, "http");

        Assert.Equal(HttpStatusCode.TemporaryRedirect, other.StatusCode);
        Assert.Equal(HttpStatusCode.OK, direct.StatusCode);
        Assert.Equal(HttpStatusCode.OK, forwarded.StatusCode);
    }

    private static async Task<HttpResponseMessage> AskAsync(WebApplication app, string path, string? forwardedScheme = null)
    {
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(app.Urls.First()) };
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (forwardedScheme is not null)
        {
            request.Headers.Add("X-Forwarded-For", "203.0.113.7");
            request.Headers.Add("X-Forwarded-Proto", forwardedScheme);
            request.Headers.Add("X-Forwarded-Host", "shop.example");
        }

        return await client.SendAsync(request, Cancelled);
    }

    private static async Task<WebApplication> StartAsync(params (string Name, string? Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = "Production" });
        builder.WebHost.UseUrls($"http://{Here}:0");
        builder.Logging.ClearProviders();
        builder.Configuration["Edge:HttpsRedirect"] = "true";
        foreach (var (name, value) in settings)
        {
            builder.Configuration[name] = value;
        }

        builder.Services.AddEdge();
        var app = builder.Build();
        app.UseEdge();
        app.MapFallback(() => "served");
        await app.StartAsync(Cancelled);
        return app;
    }
}
