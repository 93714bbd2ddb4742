using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Seckill.ServiceDefaults.Login;
using Seckill.Tests.EndToEnd;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>Which logins are accepted, for how long, and as which user.</summary>
[Collection(OperationsTests.Name)]
public sealed class LoginTests(OperationsFixture servers, ClassApi only) : IClassFixture<ClassApi>
{
    private const string Session = "/api/session";

    private static readonly TokenIssuer Issuer = new(CheckoutKeys.SigningKey);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("7", "7")]
    [InlineData("007", null)]
    [InlineData("0", null)]
    [InlineData("-7", null)]
    [InlineData(" 7", null)]
    [InlineData("+7", null)]
    [InlineData("9223372036854775808", null)]
    public async Task A_buyers_number_has_one_form(string subject, string? buyer)
    {
        var api = only.Host;
        Assert.Equal(buyer, UserOf(await api.GetAsync(Session, Issuer.For(subject))));
        // The second time it is cached, from the third on it comes from the cache: neither may allow more.
        var token = Issuer.For(subject);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(buyer is null ? 401 : 200, (await api.GetAsync("/api/orders", token)).Status);
        }
    }

    [Fact]
    public async Task Another_scheme_in_the_header_hides_no_cookie_and_opens_no_door_to_other_sites()
    {
        var api = only.Host;
        var skuId = await servers.PutOnSaleAsync(api);
        (string, string)[] behindAPassword = [("Authorization", "Basic c2hvcDpzaG9w"), ("Cookie", $"{LoginOptions.Cookie}={api.Operator}")];

        var path = $"/api/ops/sales/{skuId}/pause";
        Assert.Equal(200, (await api.PostAsync(path, null, null, [.. behindAPassword, ("Sec-Fetch-Site", "same-origin")])).Status);
        var elsewhere = await api.PostAsync(path, null, null, [.. behindAPassword, ("Sec-Fetch-Site", "cross-site")]);
        Assert.Equal((403, "cross-site request"), (elsewhere.Status, elsewhere.Error));
    }

    [Fact]
    public async Task Keys_are_changed_without_a_moment_at_which_nobody_gets_in()
    {
        const string Last = "the-last-key-0123456789-0123456789-0123456789";
        await using var api = servers.StartApi(
            ("Auth:SigningKeyId", "2026-12"), ("Auth:FurtherKeys:0:Id", "2026-11"), ("Auth:FurtherKeys:0:Key", Last));

        Assert.Equal("7", UserOf(await api.GetAsync(Session, new TokenIssuer(CheckoutKeys.SigningKey, keyId: "2026-12").For("7"))));
        Assert.Equal("7", UserOf(await api.GetAsync(Session, new TokenIssuer(Last, keyId: "2026-11").For("7"))));
        // Like a login that sets no key id.
        Assert.Equal("7", UserOf(await api.GetAsync(Session, new TokenIssuer(Last).For("7"))));
        Assert.Equal(401, (await api.GetAsync("/api/orders", new TokenIssuer(Last[1..], keyId: "2026-11").For("7"))).Status);
    }

    [Theory]
    [InlineData("Auth:FurtherKeys:0:Key", "a-second-key-0123456789-0123456789-0123456789", "needs an id of its own")]
    [InlineData("Auth:SigningKey", "short", "must have 32 bytes or more")]
    [InlineData("Auth:Authority", "http://login.example", "must be an https address")]
    [InlineData("Auth:SigningKey", "development-only-signing-key-0123456789abcdef", "one that everybody knows")]
    [InlineData("Ops:Key", "development-only-ops-key", "one that everybody knows")]
    public async Task An_unsafe_setting_is_refused_at_start(string setting, string value, string reason)
    {
        var refused = Assert.IsType<OptionsValidationException>(await ApiHost.RefusalAsync((setting, value)));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_open_line_ends_with_its_login()
    {
        await using var api = servers.StartApi(("Auth:ClockSkewSeconds", "0"), ("Push:KeepAliveMs", "100"));
        // The first line of a new host may take seconds; the login under test must not expire before all of its lines are open.
        await (await EventLine.OpenAsync(api.Client, Issuer.For("989"), Cancelled)).DisposeAsync();
        var opened = Stopwatch.GetTimestamp();
        var token = Issuer.For("990", lifetime: TimeSpan.FromSeconds(10));
        // A cached login expires just like a newly checked one.
        await using (var fresh = await EventLine.OpenAsync(api.Client, token, Cancelled))
        {
            await using var seen = await EventLine.OpenAsync(api.Client, token, Cancelled);
            await using var remembered = await EventLine.OpenAsync(api.Client, token, Cancelled);
            await fresh.EndAsync();
            await seen.EndAsync();
            await remembered.EndAsync();
        }

        Assert.InRange(Stopwatch.GetElapsedTime(opened).TotalSeconds, 5, 1_000);
        // Timers may fire some milliseconds early.
        await Deadline.UntilAsync(
            OpenAgainAsync, refusal => refusal is HttpRequestException { StatusCode: HttpStatusCode.Unauthorized }, Cancelled);

        async Task<Exception?> OpenAgainAsync()
        {
            try
            {
                await using var line = await EventLine.OpenAsync(api.Client, token, Cancelled);
                return null;
            }
            catch (HttpRequestException refusal)
            {
                return refusal;
            }
        }
    }

    [Fact]
    public async Task The_demo_login_is_for_this_machine_unless_a_switch_says_anyone()
    {
        await using (var api = servers.StartApi())
        {
            Assert.Equal(200, (await LogInAsync(api)).Status);
            var tunnelled = await LogInAsync(api, ("X-Forwarded-For", "192.0.2.1"));
            Assert.Equal((403, "demo login is for this machine"), (tunnelled.Status, tunnelled.Error));
            Assert.Equal(403, (await LogInAsync(api, ("X-Original-For", "192.0.2.1"))).Status);
            Assert.Equal(403, (await LogInAsync(api, ("Forwarded", "for=192.0.2.1"))).Status);
            Assert.True((await api.GetAsync(Session)).Body.GetProperty("demo_login").GetBoolean());
            // A foreign host name that resolves to this machine is not served at all.
            Assert.Equal(400, (await LogInAsync(api, ("Host", "shop.example"))).Status);
            Assert.Equal(200, (await LogInAsync(api, ("Host", "127.0.0.1:5080"))).Status);
        }

        await using var open = servers.StartApi(("Auth:DemoLoginForAnyone", "true"), ("AllowedHosts", "*"));
        Assert.Equal(200, (await LogInAsync(open, ("Host", "shop.example"), ("X-Forwarded-For", "192.0.2.1"))).Status);
    }

    [Theory]
    [InlineData("shop.example", 200)]
    [InlineData("www.shop.example", 200)]
    // Like an orchestrator's probe: by an address of the machine.
    [InlineData("127.0.0.1:8080", 200)]
    [InlineData("evil.example", 400)]
    [InlineData("192.0.2.1", 400)]
    public async Task Hosts_that_are_not_named_get_no_answer(string host, int status)
    {
        await using var api = servers.StartApi(("AllowedHosts", "shop.example;*.shop.example"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/alive") { Headers = { Host = host } };
        using var answer = await api.Client.SendAsync(request, Cancelled);
        Assert.Equal(status, (int)answer.StatusCode);
    }

    private static Task<Reply> LogInAsync(ApiHost api, params (string Name, string Value)[] headers) =>
        api.PostAsync("/api/demo/login", null, """{"user_id":7}""", headers);

    private static string? UserOf(Reply session) =>
        session.Body.TryGetProperty("user_id", out var id) && id.ValueKind == JsonValueKind.String ? id.GetString() : null;
}
