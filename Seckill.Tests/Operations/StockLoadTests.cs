using System.Data;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>Several load the same sale, as instances do that start together or a warm-up beside the loader.</summary>
[Collection(OperationsTests.Name)]
public sealed class StockLoadTests(OperationsFixture servers)
{
    private const int Stock = 10;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <param name="commits">Whether the other load goes through, or dies between Redis and its commit.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_load_that_is_about_to_commit_is_waited_for_and_one_that_died_is_done_again(bool commits)
    {
        // Its own rounds are not to load beside the one under test.
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        var (ledger, recovery) = (api.Get<StockLedger>(), api.Get<StockRecovery>());

        // The other one, as far as its commit.
        await using var store = servers.OpenStore();
        await using var other = await store.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, Cancelled);
        var row = (await store.ProductSkus.FromSql($"SELECT * FROM product_skus WHERE id = {skuId} FOR UPDATE").AsNoTracking()
            .ToListAsync(Cancelled)).Single();
        var sale = await store.SeckillSales.AsNoTracking().SingleAsync(s => s.SkuId == skuId, Cancelled);
        await recovery.CloseAsync(sku, Cancelled);
        var loaded = await ledger.WarmAsync(sku, row.Stock, row.GateEpoch, SaleCatalogue.TermsOf(sale), [], Cancelled);
        Assert.Equal((true, row.GateEpoch + 1), (loaded.Loaded, loaded.Epoch));

        var load = api.Get<StockLoad>().RunAsync(skuId, termsChanged: false, drained: false, Cancelled);
        await Deadline.UntilAsync(LockWaitsAsync, waits => waits > 0, Cancelled);
        Assert.False((await recovery.SnapshotAsync(sku, 0, Cancelled)).Closed, "The gate was shut although the load in it is the newest.");
        await store.ProductSkus.Where(s => s.Id == skuId)
            .ExecuteUpdateAsync(set => set.SetProperty(s => s.GateEpoch, loaded.Epoch), Cancelled);
        await (commits ? other.CommitAsync(Cancelled) : other.RollbackAsync(Cancelled));

        Assert.Equal(new LoadedSku(skuId, !commits, Stock, commits ? loaded.Epoch : loaded.Epoch + 1), await load);
        Assert.Equal(200, (await api.BuyAsync(61_000, skuId)).Status);
    }

    /// <summary>
    /// Transactions that wait for a row at this moment. (The table of transactions is a copy that no reader in a hurry gets anew.)
    /// </summary>
    private async Task<long> LockWaitsAsync()
    {
        await using var store = servers.OpenStore();
        await store.Database.OpenConnectionAsync(Cancelled);
        await using var command = store.Database.GetDbConnection().CreateCommand();
        command.CommandText = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";
        await using var reader = await command.ExecuteReaderAsync(Cancelled);
        Assert.True(await reader.ReadAsync(Cancelled));
        return long.Parse(reader.GetString(1), CultureInfo.InvariantCulture);
    }
}
