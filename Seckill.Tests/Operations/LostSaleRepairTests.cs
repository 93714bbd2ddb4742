using Microsoft.EntityFrameworkCore;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>Whatever loads a sale that Redis has lost, the orders in the queue are written first.</summary>
[Collection(OperationsTests.Name)]
public sealed class LostSaleRepairTests(OperationsFixture servers)
{
    private const int Stock = 10;

    /// <summary>Longer than everything here takes: only the queue ends the wait.</summary>
    private const string DrainWaitMs = "120000";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_repair_offers_no_units_of_orders_that_are_still_in_the_queue()
    {
        await servers.PurgeAsync();
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "500"), ("Catalogue:DrainWaitMsMax", DrainWaitMs));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var keys = new SkuKeys(skuId);
        Assert.Equal(200, (await api.BuyAsync(64_001, skuId)).Status);
        await Deadline.UntilAsync(() => servers.Channel.MessageCountAsync(OrderTopology.Queue, Cancelled), count => count > 0, Cancelled);
        await servers.Redis.KeyDeleteAsync([.. keys.All]);

        var repair = await api.PostAsync("/api/ops/reconciliation/repair?apply=true", api.Operator);

        Assert.Equal(200, repair.Status);
        Assert.Contains(
            repair.Body.GetProperty("steps").EnumerateArray(),
            step => step.GetString()!.StartsWith($"sku {skuId}: failed: Redis has lost it", StringComparison.Ordinal));
        Assert.False(await servers.Redis.KeyExistsAsync(keys.Stock), "The order's unit is for sale again.");
        // Nor does a reload that was decided before the loss.
        Assert.Null(await api.Get<StockLoad>().ReloadAsync(skuId, drained: false, Cancelled));
        Assert.False(await servers.Redis.KeyExistsAsync(keys.Stock), "The order's unit is for sale again.");
        await AssertAuditedAsync(skuId);

        await using var worker = servers.StartWorker();
        await servers.WaitUntilLoadedAsync(api, skuId);
        Assert.Equal(Stock - 1, (long)await servers.Redis.StringGetAsync(keys.Stock));
    }

    /// <summary>The call succeeded, and this part of it did not.</summary>
    private async Task AssertAuditedAsync(long skuId)
    {
        await using var store = servers.OpenStore();
        var entry = await store.OpsAudit.Include(entry => entry.Outcome)
            .SingleAsync(entry => entry.Action == "reconciliation.repair" && entry.Target == $"sku {skuId}", Cancelled);
        Assert.Equal(503, entry.Outcome!.Status);
        Assert.StartsWith("Redis has lost it", entry.Outcome.Reason, StringComparison.Ordinal);
    }
}
