using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Limits;

namespace Seckill.Tests.Operations;

/// <summary>Limits, purchase tokens and headers as a client sees them.</summary>
[Collection(OperationsTests.Name)]
public sealed class LimitTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_buyer_who_hammers_is_refused_and_another_is_not()
    {
        await using var api = servers.StartApi(("Limits:UserPurchasesPerSecond", "3"), ("Limits:UserQueriesPerSecond", "3"));
        var skuId = await servers.PutOnSaleAsync(api);

        // Wherever a second ends, at least one and at most two seconds' worth of 40 simultaneous clicks can pass.
        var clicks = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => api.BuyAsync(7, skuId)));
        var refused = clicks.Where(reply => reply.Status == 429).ToList();
        Assert.InRange(clicks.Length - refused.Count, 3, 30);
        Assert.All(refused, reply => Assert.Equal("too many requests", reply.Error));
        Assert.All(refused, reply => Assert.Equal("1", reply.Headers.GetValues("Retry-After").Single()));
        Assert.Equal(200, (await api.BuyAsync(8, skuId)).Status);

        var queries = await Task.WhenAll(
            Enumerable.Range(0, 40).Select(_ => api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", api.Buyer(8))));
        Assert.Contains(queries, reply => reply.Status == 429);
        // The listing does not count for any buyer.
        var listings = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => api.GetAsync("/api/products", api.Buyer(8))));
        Assert.All(listings, reply => Assert.Equal(200, reply.Status));
    }

    [Fact]
    public async Task The_shared_limit_holds_over_two_instances()
    {
        (string, string)[] settings = [("Limits:SharedUserPurchasesMax", "3"), ("Limits:SharedWindowMs", "600000")];
        var counted = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "seckill.limited")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>(
            (_, count, tags, _) => Interlocked.Add(ref counted, tags[0].Value is "user_shared" ? count : 0));
        listener.Start();
        await using var one = servers.StartApi(settings);
        await using var other = servers.StartApi(settings);
        var skuId = await servers.PutOnSaleAsync(one, stock: 1_000);
        await Deadline.UntilAsync(
            () => other.GetAsync("/api/products"),
            reply => reply.Body.ToString().Contains($"\"{skuId}\"", StringComparison.Ordinal),
            Cancelled);

        // Another buyer each time, because a click passes whose count does not come at once.
        var (user, replies, _) = await Deadline.UntilAsync(
            async () =>
            {
                Interlocked.Exchange(ref counted, 0);
                var buyer = Random.Shared.Next(1_000_000, int.MaxValue);
                var clicks = new List<Reply>();
                foreach (var api in (ApiHost[])[one, other, one, one, other])
                {
                    clicks.Add(await api.BuyAsync(buyer, skuId));
                }

                return (Buyer: buyer, Clicks: clicks, Limited: Interlocked.Read(ref counted));
            },
            round => round.Limited == 2 && round.Clicks.Select(click => click.Status).SequenceEqual([200, 200, 400, 429, 429]), Cancelled);

        Assert.Equal("limit reached", replies[2].Error);
        Assert.All(replies.Skip(3), refused =>
        {
            Assert.Equal("too many requests", refused.Error);
            Assert.InRange(int.Parse(refused.Headers.GetValues("Retry-After").Single(), CultureInfo.InvariantCulture), 500, 600);
        });
        Assert.Equal(200, (await one.BuyAsync(user + 1L, skuId)).Status);
        Assert.InRange((await servers.Redis.KeyTimeToLiveAsync($"limit:purchases:{{{user}}}"))!.Value.TotalSeconds, 1, 600);
    }

    [Fact]
    public async Task Orders_beyond_those_in_flight_are_shed()
    {
        await using var api = servers.StartApi(("Limits:PurchasesInFlightMax", "1"), ("Limits:PurchasesWaitingMax", "0"));
        var skuId = await servers.PutOnSaleAsync(api);
        var held = await api.Get<PurchaseSlots>().EnterAsync(Cancelled);
        Assert.True(held!.IsAcquired);

        var shed = await api.BuyAsync(8, skuId);
        Assert.Equal(503, shed.Status);
        Assert.Equal(("busy", "1"), (shed.Error, shed.Headers.GetValues("Retry-After").Single()));
        // Only orders are.
        Assert.Equal(200, (await api.GetAsync("/api/products")).Status);

        held.Dispose();
        Assert.Equal(200, (await api.BuyAsync(9, skuId)).Status);
    }

    [Fact]
    public async Task A_sale_that_requires_tokens_takes_orders_with_the_buyers_own_only()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api, tokenRequired: true);
        var listed = (await api.GetAsync("/api/products")).Body.GetProperty("items").EnumerateArray()
            .Single(item => item.GetProperty("sku_id").GetString() == $"{skuId}");
        Assert.True(listed.GetProperty("token_required").GetBoolean());

        var missing = await api.BuyAsync(7, skuId);
        Assert.Equal((403, "purchase token required"), (missing.Status, missing.Error));

        var issued = await api.GetAsync($"/api/seckill/token?sku_id={skuId}", api.Buyer(7));
        Assert.Equal(200, issued.Status);
        var token = issued.Text("purchase_token");
        var stolen = await api.BuyAsync(8, skuId, null, ("X-Purchase-Token", token));
        Assert.Equal((403, "invalid purchase token"), (stolen.Status, stolen.Error));
        Assert.Equal(10, (long)await servers.Redis.StringGetAsync($"stock:sku:{skuId}"));

        Assert.Equal(200, (await api.BuyAsync(7, skuId, null, ("X-Purchase-Token", token))).Status);
        var inBody = await api.PostAsync(
            "/api/seckill/orders", api.Buyer(7), $$"""{"sku_id":{{skuId}},"quantity":1,"purchase_token":"{{token}}"}""");
        Assert.Equal(200, inBody.Status);
        var twice = await api.PostAsync(
            "/api/seckill/orders", api.Buyer(7), """{"sku_id":1,"quantity":1,"purchase_token":"a","purchase_token":"b"}""");
        Assert.Equal((400, "purchase_token is not valid"), (twice.Status, twice.Error));
    }

    [Fact]
    public async Task A_repeated_click_finds_its_order_though_its_token_has_expired()
    {
        await using var api = servers.StartApi(("Limits:PurchaseTokenSeconds", "1"));
        var skuId = await servers.PutOnSaleAsync(api, tokenRequired: true);
        var token = "";
        // Repeated if necessary: on a busy machine a token may expire before the click.
        var first = await Deadline.UntilAsync(
            async () =>
            {
                token = (await api.GetAsync($"/api/seckill/token?sku_id={skuId}", api.Buyer(7))).Text("purchase_token");
                return await api.BuyAsync(7, skuId, "first", ("X-Purchase-Token", token));
            },
            reply => reply.Status == 200, Cancelled);
        var clicks = 0;
        await Deadline.UntilAsync(
            () => api.BuyAsync(7, skuId, $"later-{clicks++}", ("X-Purchase-Token", token)),
            reply => reply.Error == "invalid purchase token", Cancelled);

        var repeat = await api.BuyAsync(7, skuId, "first", ("X-Purchase-Token", token));
        Assert.Equal((200, first.Text("order_id")), (repeat.Status, repeat.Text("order_id")));
        var forged = await api.BuyAsync(7, skuId, "first", ("X-Purchase-Token", (token[0] == 'A' ? 'B' : 'A') + token[1..]));
        Assert.Equal((403, "invalid purchase token"), (forged.Status, forged.Error));
    }

    [Fact]
    public async Task Nobody_gets_a_token_outside_the_sales_window()
    {
        await using var api = servers.StartApi();
        var future = await servers.PutOnSaleAsync(api, tokenRequired: true, startsIn: TimeSpan.FromHours(1));
        var past = await servers.PutOnSaleAsync(api, tokenRequired: true, endsIn: TimeSpan.FromMinutes(-1));
        Assert.Equal((400, "not started"), await TokenAsync(api, $"{future}"));
        Assert.Equal((400, "ended"), await TokenAsync(api, $"{past}"));
        Assert.Equal((404, "unknown sku"), await TokenAsync(api, "999"));
        Assert.Equal((400, "sku_id is not valid"), await TokenAsync(api, "x"));
        Assert.Equal(401, (await api.GetAsync($"/api/seckill/token?sku_id={future}")).Status);
    }

    [Fact]
    public async Task A_sale_without_the_switch_asks_for_no_token_until_it_is_switched_on()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        Assert.Equal(200, (await api.BuyAsync(7, skuId)).Status);
        await using (var store = servers.OpenStore())
        {
            await store.SeckillSales
                .Where(sale => sale.SkuId == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(sale => sale.TokenRequired, true), Cancelled);
        }

        var user = 100L;
        await Deadline.UntilAsync(() => api.BuyAsync(user++, skuId), reply => reply.Error == "purchase token required", Cancelled);
    }

    [Theory]
    [InlineData("/api/products")]
    [InlineData("/no/such/path")]
    [InlineData("/docs/")]
    public async Task Every_answer_tells_the_browser_what_it_may_do(string path)
    {
        await using var api = servers.StartApi();
        var reply = await api.GetAsync(path);
        Assert.Equal("nosniff", reply.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("strict-origin-when-cross-origin", reply.Headers.GetValues("Referrer-Policy").Single());
        var policy = reply.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal(path == "/docs/", policy.Contains("script-src 'self' 'unsafe-inline'", StringComparison.Ordinal));
        Assert.False(reply.Headers.Contains("Server"));
        Assert.False(reply.Headers.Contains("Strict-Transport-Security"));
    }

    [Fact]
    public async Task Plain_HTTP_is_sent_to_HTTPS_only_when_configured()
    {
        await using var api = servers.StartApi(("Edge:HttpsRedirect", "true"), ("https_port", "443"));
        var reply = await api.GetAsync("/api/products");
        Assert.Equal((307, "https://localhost/api/products"), (reply.Status, reply.Headers.Location?.ToString()));
        Assert.Equal(200, (await api.GetAsync("/alive")).Status);
    }

    private static async Task<(int Status, string Error)> TokenAsync(ApiHost api, string skuId)
    {
        var reply = await api.GetAsync($"/api/seckill/token?sku_id={skuId}", api.Buyer(7));
        return (reply.Status, reply.Error);
    }
}
