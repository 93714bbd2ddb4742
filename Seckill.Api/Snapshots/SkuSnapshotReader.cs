using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Snapshots;

/// <summary>
/// A SKU's state in MySQL and Redis at about the same time, without a lock. It can show that there is nothing to do, which is true for most
/// SKUs; anything else needs a comparison under the row lock.
/// </summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="MySqlStock">Units left in MySQL.</param>
/// <param name="MySqlLoad">The counter load that MySQL considers valid.</param>
/// <param name="Terms">The sale's terms in MySQL; null when they cannot be read.</param>
/// <param name="Redis">Counter and reservations, without the ids; null when Redis holds unreadable data under the SKU's keys.</param>
public sealed record SkuSnapshot(long SkuId, long MySqlStock, LoadId MySqlLoad, SaleTerms? Terms, LedgerSnapshot? Redis)
{
    /// <summary>Whether the counter is the one loaded last, on a server that has not been replaced since, as far as it is known.</summary>
    public bool IsLoaded => Redis is { } redis && !CounterState.IsDue(redis, MySqlLoad, suspect: false);

    /// <summary>Whether the gate enforces terms other than MySQL's, for any reason.</summary>
    public bool HasOtherTerms => Terms is { } terms && Redis?.HasTerms(terms) is false;

    /// <summary>Whether the two agree and nothing is in transit, so that the difference is 0.</summary>
    public bool IsQuiet => IsLoaded && Redis is { Held: 0, Unsettled: 0, Stock: { } stock } && stock == MySqlStock;
}

/// <summary>Reads many SKUs with one query and pipelined script calls.</summary>
public sealed class SkuSnapshotReader(IServiceScopeFactory scopes, StockRecovery recovery)
{
    /// <summary>Snapshots of those SKUs that have a sale in MySQL, sorted by id.</summary>
    /// <exception cref="StackExchange.Redis.RedisException">Redis does not answer.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<IReadOnlyList<SkuSnapshot>> ReadAsync(IReadOnlyCollection<long> skuIds, CancellationToken cancellationToken)
    {
        if (skuIds.Count == 0)
        {
            return [];
        }

        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var rows = await context.ProductSkus.AsNoTracking()
            .Where(sku => skuIds.Contains(sku.Id) && sku.Sale != null)
            .OrderBy(sku => sku.Id)
            .Select(sku => new { sku.Id, sku.Stock, sku.GateEpoch, sku.GateLoad, Sale = sku.Sale! })
            .ToListAsync(cancellationToken);
        var snapshots = await recovery.SnapshotAsync(rows.ConvertAll(row => new SkuKeys(row.Id)), cancellationToken);
        return [.. rows.Zip(snapshots, (row, redis) => new SkuSnapshot(
            row.Id, row.Stock, new LoadId(row.GateEpoch, row.GateLoad), TermsOf(row.Sale), redis))];
    }

    /// <summary>A row that the catalogue cannot read either is not on sale; it does not hold up the others.</summary>
    private static SaleTerms? TermsOf(SeckillSale sale)
    {
        try
        {
            return SaleCatalogue.TermsOf(sale);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            return null;
        }
    }
}
