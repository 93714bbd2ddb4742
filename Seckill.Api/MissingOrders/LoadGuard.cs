using System.Data;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.MissingOrders;

/// <summary>What a load was allowed for, or what it finds under the row lock.</summary>
/// <param name="Load">MySQL's load; null when none was due.</param>
/// <param name="Stock">Units left in MySQL.</param>
/// <param name="Rise">Units by which the counter would rise; null when that is unknown.</param>
/// <param name="Server">The MySQL server that has these numbers, see <see cref="StoreServer"/>; null when no load was due.</param>
public readonly record struct LoadClearance(LoadId? Load, long Stock, long? Rise, string? Server)
{
    /// <summary>Whether the counter may rise, so that missing orders have to be searched for.</summary>
    internal bool MayRise => Load is not null && Rise is null or > 0;

    /// <summary>
    /// Whether what is found now was allowed. Each unit that MySQL got back since would raise the counter further. If that cannot be
    /// compared, MySQL's own stock tells, which only falls as long as its load is the same. Both prove something only of one server:
    /// orders written since hide as many that a fail-over has lost. The same happens, unnoticed, if a server loses commits and comes back
    /// under its own identity within the moment between the two readings.
    /// </summary>
    public bool Covers(LoadClearance now) =>
        now.Rise <= 0
        || (now.Load == Load && now.Server == Server && (now.Rise is null ? Rise is null && now.Stock <= Stock : now.Rise <= Rise));
}

/// <summary>
/// Keeps a counter from being loaded with a higher value while MySQL lacks orders whose buyers were told SUCCESS: their units are back in
/// MySQL's stock, and would be sold a second time.
/// </summary>
public sealed class LoadGuard(IServiceScopeFactory scopes, StockRecovery recovery, MissingOrderSearch search)
{
    /// <summary>
    /// Runs before the row lock is taken, because a search takes a long time with many orders. MySQL may be replaced by a server that lacks
    /// its last orders before the lock is taken, so the load compares what it finds then with what was allowed here.
    /// </summary>
    /// <param name="sku">The SKU.</param>
    /// <param name="reload">Whether the counter is loaded in any case; if false, this returns at once when no load is due.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    /// <param name="raisedFrom">The load to which stock was added; null if none was added.</param>
    /// <param name="addedUnits">Units that were added: the counter may rise by this much.</param>
    /// <exception cref="OrdersMissingException">The load must wait until the orders are written again.</exception>
    public async Task<LoadClearance> CheckAsync(
        SkuKeys sku, bool reload, CancellationToken cancellationToken, LoadId? raisedFrom = null, int addedUnits = 0)
    {
        var clearance = await CompareAsync(sku, reload, raisedFrom, addedUnits, cancellationToken);
        if (clearance.MayRise)
        {
            await SearchAsync(sku, cancellationToken);
        }

        return clearance;
    }

    /// <summary>Searches for missing orders, whatever the numbers are.</summary>
    /// <exception cref="OrdersMissingException">There are some.</exception>
    public async Task SearchAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        if (await search.RunAsync(sku, cancellationToken) is { Unwritten: { Count: > 0 } unwritten })
        {
            throw new OrdersMissingException(sku.SkuId, unwritten);
        }
    }

    /// <summary>
    /// MySQL is read first, and later reads can only make Redis's side smaller. So an order in transit may cause a needless search, but
    /// never hides a loss.
    /// </summary>
    private async Task<LoadClearance> CompareAsync(
        SkuKeys sku, bool reload, LoadId? raisedFrom, int addedUnits, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        // One session, so that one server answers; each statement still sees what is committed by then.
        await using var session = await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var row = await context.ProductSkus.AsNoTracking().Where(row => row.Id == sku.SkuId)
            .Select(row => new { row.Stock, row.GateEpoch, row.GateLoad }).SingleOrDefaultAsync(cancellationToken);
        if (row is null)
        {
            return default;
        }

        var stored = new LoadId(row.GateEpoch, row.GateLoad);
        var snapshot = await recovery.SnapshotAsync(sku, StockRecovery.UnsettledIdsMax, cancellationToken);
        if (!CounterState.IsDue(snapshot, stored, reload))
        {
            return default;
        }

        var (redis, unsettled) = await UnsettledOrders.CompleteAsync(recovery, sku, snapshot, cancellationToken);
        var decided = CounterState.IsComparable(redis, stored, raisedFrom)
            ? await StoreDecisions.ReadAsync(context, unsettled, cancellationToken)
            : [];
        return new LoadClearance(
            stored, row.Stock, CounterState.RiseOf(row.Stock, stored, redis, decided, raisedFrom, addedUnits),
            await StoreServer.ReadAsync(context, cancellationToken));
    }
}

/// <summary>MySQL was restored to an older state, and the missing orders have not been written again yet.</summary>
internal sealed class OrdersMissingException(long skuId, IReadOnlyList<long> orderIds) : TimeoutException(string.Create(
    CultureInfo.InvariantCulture,
    $"SKU {skuId} is not loaded while MySQL lacks {orderIds.Count} orders that buyers were notified of, including {orderIds[0]}."));
