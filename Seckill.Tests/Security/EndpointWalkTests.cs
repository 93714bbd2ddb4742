using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Seckill.ServiceDefaults.Login;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>Every endpoint for every caller: the answers are those of <see cref="EndpointTable"/>, and caches do not share them.</summary>
[Collection(OperationsTests.Name)]
public sealed class EndpointWalkTests(OperationsFixture servers)
{
    private const long Buyer = 951;
    private const long OtherBuyer = 952;
    private const int AnswerTimeoutMs = 30_000;

    private static readonly string[] AnyMethod = ["GET"];

    [Fact]
    public async Task Everybody_gets_what_the_table_says_and_no_cache_may_keep_it()
    {
        await using var api = servers.StartApi(("Limits:UserPurchasesPerSecond", "0"));
        Assert.Equal(
            EndpointTable.Rows.Select(row => row.Route).Order(StringComparer.Ordinal),
            RoutesOf(api).Order(StringComparer.Ordinal));

        await servers.PurgeAsync();
        var skuId = await servers.PutOnSaleAsync(api, stock: 100, tokenRequired: false);
        var order = await api.BuyAsync(Buyer, skuId, "walk");
        Assert.Equal(200, order.Status);
        // An instance that has just started has not checked every server yet.
        await Deadline.UntilAsync(
            () => api.GetAsync("/health"), health => health.Status == 200, TestContext.Current.CancellationToken, AnswerTimeoutMs);
        var wrong = new List<string>();
        foreach (var row in EndpointTable.Rows)
        {
            foreach (var caller in Enum.GetValues<Caller>())
            {
                // On a busy machine, a check of /health may run out of time.
                var (status, cache) = await Deadline.UntilAsync(
                    () => AskAsync(api, row, caller, $"{skuId}", order.Text("order_id")), answer => answer.Status != 503,
                    TestContext.Current.CancellationToken, AnswerTimeoutMs);
                var isRefused = status is 401 or 403;
                if (status != row.Statuses[(int)caller] || cache != (isRefused ? EndpointTable.NoStore : row.Cache))
                {
                    wrong.Add($"{row.Route} by {caller}: {status}, '{cache}'");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("GET", "/no/such/path")]
    [InlineData("GET", "/api/no/such/path")]
    [InlineData("DELETE", "/api/products")]
    public async Task An_unknown_path_is_kept_by_no_cache_either(string method, string path)
    {
        await using var api = servers.StartApi();
        using var answer = await api.Client.SendAsync(
            new HttpRequestMessage(new HttpMethod(method), path), TestContext.Current.CancellationToken);
        Assert.Equal(EndpointTable.NoStore, answer.Headers.CacheControl?.ToString());
    }

    [Fact]
    public async Task Data_may_do_nothing_in_a_browser_whatever_the_answer()
    {
        await using var api = servers.StartApi();
        foreach (var (method, path) in ((string, string)[])[
            ("GET", "/api"), ("GET", "/api/"), ("GET", "/api/products"), ("GET", "/API/products"), ("GET", "/api/orders"),
            ("GET", "/api/no/such/path"), ("DELETE", "/api/products"), ("POST", "/api/seckill/orders")])
        {
            using var answer = await api.Client.SendAsync(
                new HttpRequestMessage(new HttpMethod(method), path), TestContext.Current.CancellationToken);
            Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
            Assert.Equal(["default-src 'none'; frame-ancestors 'none'"], answer.Headers.GetValues("Content-Security-Policy"));
            Assert.True(answer.Headers.CacheControl?.NoStore);
        }
    }

    private static IEnumerable<string> RoutesOf(ApiHost api) =>
        from endpoint in api.Get<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? AnyMethod
        where method != "HEAD"
        select $"{method} /{endpoint.RoutePattern.RawText!.Trim('/')}";

    private static async Task<(int Status, string Cache)> AskAsync(
        ApiHost api, EndpointRow row, Caller caller, string skuId, string orderId)
    {
        string Filled(string text) =>
            text.Replace("{sku}", skuId, StringComparison.Ordinal).Replace("{order}", orderId, StringComparison.Ordinal);
        using var request = new HttpRequestMessage(new HttpMethod(row.Route[..row.Route.IndexOf(' ')]), Filled(row.Path));
        request.Content = row.Body is null ? null : new StringContent(Filled(row.Body), Encoding.UTF8, "application/json");
        request.Headers.Authorization = caller switch
        {
            Caller.Buyer => new AuthenticationHeaderValue("Bearer", api.Buyer(Buyer)),
            Caller.OtherBuyer => new AuthenticationHeaderValue("Bearer", api.Buyer(OtherBuyer)),
            Caller.Operator => new AuthenticationHeaderValue("Bearer", api.Operator),
            _ => null,
        };
        if (caller == Caller.OperatorElsewhere)
        {
            request.Headers.Add("Cookie", $"{LoginOptions.Cookie}={api.Operator}");
            request.Headers.Add("Origin", "http://localhost:8081");
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(AnswerTimeoutMs);
        using var answer = await api.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
        return ((int)answer.StatusCode, string.Join(',', answer.Headers.TryGetValues("Cache-Control", out var said) ? said : []));
    }
}
