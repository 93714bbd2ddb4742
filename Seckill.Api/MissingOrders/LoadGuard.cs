using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.MissingOrders;

/// <summary>
/// Keeps a counter from being loaded with a higher value while MySQL lacks orders whose buyers were told SUCCESS: their units are back in
/// MySQL's stock, and would be sold a second time.
/// </summary>
public sealed class LoadGuard(IServiceScopeFactory scopes, StockRecovery recovery, MissingOrderSearch search)
{
    /// <summary>Runs before the row lock is taken, because a search takes a long time with many orders.</summary>
    /// <param name="sku">The SKU.</param>
    /// <param name="reload">Whether the counter is loaded although it is running; if false, this returns at once for a running
    /// counter.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    /// <param name="raisedFrom">The load to which stock was added; null if none was added.</param>
    /// <param name="addedUnits">Units that were added: the counter may rise by this much.</param>
    /// <exception cref="OrdersMissingException">The load must wait until the orders are written again.</exception>
    public async Task CheckAsync(
        SkuKeys sku, bool reload, CancellationToken cancellationToken, LoadId? raisedFrom = null, int addedUnits = 0)
    {
        if (await MayGoUpAsync(sku, reload, raisedFrom, addedUnits, cancellationToken)
            && await search.RunAsync(sku, cancellationToken) is { Unwritten: { Count: > 0 } unwritten })
        {
            throw new OrdersMissingException(sku.SkuId, unwritten);
        }
    }

    /// <summary>
    /// MySQL is read first, and later reads can only make Redis's side smaller. So an order in transit may cause a needless search, but
    /// never hides a loss.
    /// </summary>
    private async Task<bool> MayGoUpAsync(
        SkuKeys sku, bool reload, LoadId? raisedFrom, int addedUnits, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var row = await context.ProductSkus.AsNoTracking().Where(row => row.Id == sku.SkuId)
            .Select(row => new { row.Stock, row.GateEpoch, row.GateLoad }).SingleOrDefaultAsync(cancellationToken);
        if (row is null)
        {
            return false;
        }

        var stored = new LoadId(row.GateEpoch, row.GateLoad);
        var redis = await recovery.SnapshotAsync(sku, StockRecovery.UnsettledIdsMax, cancellationToken);
        if (!reload && redis is { Stock: not null, Closed: false } && redis.Load == stored)
        {
            return false;
        }

        var unsettled = redis.UnsettledIds ?? [];
        if (redis.UnsettledIds is null)
        {
            // Listed before the counter is read: an order settled in between is then no longer held, and still counted as committed.
            unsettled = [.. await recovery.UnsettledIdsAsync(sku, cancellationToken)];
            redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
        }

        if (redis.Stock is not { } stock || (redis.Load != stored && redis.Load != raisedFrom))
        {
            return true;
        }

        var decided = await StoreDecisions.ReadAsync(context, unsettled, cancellationToken);
        var committed = decided.Where(order => order.StockDeducted).Sum(order => (long)order.Quantity);
        return row.Stock - (redis.Load == stored ? 0 : addedUnits) > stock + redis.Held - committed;
    }
}

/// <summary>MySQL was restored to an older state, and the missing orders have not been written again yet.</summary>
internal sealed class OrdersMissingException(long skuId, IReadOnlyList<long> orderIds) : TimeoutException(string.Create(
    CultureInfo.InvariantCulture,
    $"SKU {skuId} is not loaded while MySQL lacks {orderIds.Count} orders that buyers were notified of, including {orderIds[0]}."));
