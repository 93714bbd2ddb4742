using Microsoft.AspNetCore.Http;
using Seckill.ServiceDefaults.Login;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>A cookie counts for the site's own pages only, whatever the port, the domain name and the proxy in between.</summary>
[Collection(OperationsTests.Name)]
public sealed class CrossSiteTests(OperationsFixture servers, ClassApi only) : IClassFixture<ClassApi>
{
    [Theory]
    [InlineData("Sec-Fetch-Site", "same-origin", 200)]
    [InlineData("Sec-Fetch-Site", "none", 200)]
    [InlineData("Sec-Fetch-Site", "same-site", 403)]
    [InlineData("Sec-Fetch-Site", "cross-site", 403)]
    [InlineData("Origin", "http://localhost", 200)]
    [InlineData("Origin", "https://localhost", 200)]
    [InlineData("Origin", "http://localhost:8081", 403)]
    [InlineData("Origin", "http://evil.localhost", 403)]
    [InlineData("Origin", "null", 403)]
    [InlineData("X-Other", "no word of where it comes from", 403)]
    public async Task An_operators_cookie_pauses_a_sale_from_the_own_page_alone(string header, string value, int status)
    {
        var api = only.Host;
        var skuId = await servers.PutOnSaleAsync(api);
        var cookie = ("Cookie", $"{LoginOptions.Cookie}={api.Operator}");

        var reply = await api.PostAsync($"/api/ops/sales/{skuId}/pause", null, null, cookie, (header, value));

        Assert.Equal(status, reply.Status);
        Assert.Equal(status == 403 ? "cross-site request" : "", reply.Error);
        // A client that sends a token is not a browser.
        Assert.Equal(200, (await api.PostAsync($"/api/ops/sales/{skuId}/pause", api.Operator, null, (header, value))).Status);
    }

    [Theory]
    [InlineData("shop.example", "https://shop.example", true)]
    [InlineData("shop.example:443", "https://shop.example", true)]
    [InlineData("shop.example:8443", "https://shop.example:8443", true)]
    [InlineData("[::1]:5080", "http://[::1]:5080", true)]
    [InlineData("SHOP.example", "https://shop.example", true)]
    [InlineData("shop.example:8443", "https://shop.example", false)]
    [InlineData("shop.example", "https://shop.example:8443", false)]
    [InlineData("shop.example", "https://shop.example.evil.example", false)]
    [InlineData("shop.example", "https://other.shop.example", false)]
    [InlineData("shop.example", "", false)]
    public void An_origin_is_ours_when_it_names_the_host_that_was_asked(string host, string origin, bool own) =>
        Assert.Equal(own, OwnSite.IsOwn(origin, new HostString(host)));
}
