using Microsoft.EntityFrameworkCore;
using Seckill.Api.Gate;

namespace Seckill.Tests.Operations;

/// <summary>The gate's memory of a sale goes with the sale.</summary>
[Collection(OperationsTests.Name)]
public sealed class LanePruningTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_sale_that_is_taken_out_of_the_catalogue_leaves_no_lane_behind()
    {
        await using var api = servers.StartApi();
        var lanes = api.Get<GateLanes>();
        var skuId = await servers.PutOnSaleAsync(api);
        Assert.Equal(200, (await api.BuyAsync(62_000, skuId)).Status);
        Assert.Equal(1, lanes.Count);

        await using (var store = servers.OpenStore())
        {
            await store.SeckillSales.Where(sale => sale.SkuId == skuId).ExecuteDeleteAsync(Cancelled);
        }

        await Deadline.UntilAsync(() => Task.FromResult(lanes.Count), count => count == 0, Cancelled);
        Assert.Equal(404, (await api.BuyAsync(62_000, skuId)).Status);
    }
}
