using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Seckill.Api.Limits;
using Seckill.Api.Orders;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>Queries for unknown SKUs and clicks cost MySQL nothing, and one buyer's endless queries delay no other buyer.</summary>
[Collection(OperationsTests.Name)]
public sealed class InventedQuestionTests(OperationsFixture servers)
{
    private const int MySqlReadsMax = 16;
    private const int EachBuyerMax = 4;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Questions_about_unknown_orders_are_answered_without_MySQL()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        Assert.Equal(200, (await api.BuyAsync(971, skuId, "real")).Status);
        var limiter = api.Get<MySqlReadLimiter>();
        var taken = Enumerable.Range(0, MySqlReadsMax).Select(_ => limiter.TryEnter()).ToList();
        Assert.All(taken, lease => Assert.True(lease.IsAcquired));

        // With all MySQL slots taken, a query that needs one is answered "busy".
        Assert.Equal((404, "unknown sku"), await StatusAsync(api, 970, "987654321"));
        Assert.Equal((404, "no order"), await StatusAsync(api, 970, $"{skuId}"));
        Assert.Equal((404, "no order"), await StatusAsync(api, 971, $"{skuId}&client_order_no=invented"));
        Assert.Equal(200, (await StatusAsync(api, 971, $"{skuId}&client_order_no=real")).Status);

        // If Redis may have lost something, MySQL has the last word.
        await servers.Redis.HashSetAsync($"{{stock:sku:{skuId}}}:sale", "epoch", 2);
        Assert.Equal((503, "busy"), await StatusAsync(api, 970, $"{skuId}"));
        taken.ForEach(lease => lease.Dispose());
        Assert.Equal((404, "no order"), await StatusAsync(api, 970, $"{skuId}"));
    }

    [Fact]
    public async Task A_buyer_who_asks_without_end_keeps_no_other_buyer_waiting()
    {
        await using var limiter = new MySqlReadLimiter();
        var own = new List<IDisposable>();
        for (var place = 0; place < EachBuyerMax; place++)
        {
            var lease = await limiter.EnterAsync(1, Cancelled);
            Assert.True(lease.IsAcquired);
            own.Add(lease);
        }

        Assert.False((await limiter.EnterAsync(1, Cancelled)).IsAcquired);
        using var other = await limiter.EnterAsync(2, Cancelled);
        Assert.True(other.IsAcquired);

        // A lease that is disposed of twice returns one slot.
        own[0].Dispose();
        own[0].Dispose();
        using var again = await limiter.EnterAsync(1, Cancelled);
        Assert.True(again.IsAcquired);
        Assert.False((await limiter.EnterAsync(1, Cancelled)).IsAcquired);
    }

    [Fact]
    public void A_line_weighs_as_many_questions_as_it_asks()
    {
        var limiter = new UserLimiter(Options.Create(new LimitOptions { UserQueriesPerSecond = 40 }), new StoppedClock());

        Assert.True(limiter.TryTake(Question(32)));
        Assert.False(limiter.TryTake(Question(32)));
        for (var left = 8; left > 0; left--)
        {
            Assert.True(limiter.TryTake(Question(left % 2)));
        }

        Assert.False(limiter.TryTake(Question(1)));
    }

    private static DefaultHttpContext Question(int skus)
    {
        var http = new DefaultHttpContext { User = new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", "7")], "test", "sub", null)) };
        http.Request.QueryString = new QueryString("?" + string.Join('&', Enumerable.Range(1, skus).Select(sku => $"sku_id={sku}")));
        http.SetEndpoint(new Endpoint(null, new EndpointMetadataCollection(new RequestKindMetadata(RequestKind.Query)), null));
        return http;
    }

    private static async Task<(int Status, string Error)> StatusAsync(ApiHost api, long buyer, string skuId)
    {
        var reply = await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", api.Buyer(buyer));
        return (reply.Status, reply.Error);
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
