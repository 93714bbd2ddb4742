using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Snapshots;

/// <summary>How a counter in Redis compares with the load that MySQL has recorded.</summary>
internal static class CounterState
{
    /// <summary>The load that MySQL has recorded; null without a row.</summary>
    public static LoadId? LoadOf(ProductSku? row) => row is null ? null : new LoadId(row.GateEpoch, row.GateLoad);

    /// <summary>Whether the counter is complete and only lacks the units that were added when its load's epoch was raised.</summary>
    public static bool IsOutdated(LedgerSnapshot redis, LoadId? raisedFrom) =>
        raisedFrom is not null && redis.Load == raisedFrom && redis is { Stock: not null, Closed: false, SameServer: not false };

    /// <summary>
    /// Whether MySQL's load is an addition of stock to the counter's, and Redis has not been restarted since that was set. A load by
    /// another server has the next epoch as well, but a token of its own.
    /// </summary>
    public static bool IsRaised(LedgerSnapshot redis, LoadId stored) =>
        redis is { Stock: not null, Closed: false, SameServer: true, Load: { } load } && stored == load.Raised();

    /// <summary>
    /// Whether the counter must be loaded. Everything that depends on this asks here: with a second opinion about it, a load could escape
    /// the guard.
    /// </summary>
    public static bool IsDue(LedgerSnapshot redis, LoadId? stored, bool suspect) =>
        suspect || redis.Stock is null || redis.Load != stored || redis.Closed || redis.SameServer is false;

    /// <summary>
    /// Whether the counter sells under MySQL's load although another load is due, as after a restart of Redis. That load may have to wait
    /// for orders that MySQL lacks.
    /// </summary>
    public static bool SellsMeanwhile(LedgerSnapshot redis, LoadId? stored, bool suspect) =>
        redis is { Stock: not null, Load: not null, Closed: false } && redis.Load == stored && IsDue(redis, stored, suspect);

    /// <summary>Whether Redis may lack buyers: not when the counter is only outdated.</summary>
    public static bool HasForgotten(LedgerSnapshot redis, ProductSku row, LoadId? raisedFrom) =>
        row.GateEpoch != raisedFrom?.Epoch + 1 || !IsOutdated(redis, raisedFrom);

    /// <summary>Whether the counter's units can be compared with MySQL's: it has MySQL's load, or that before an addition.</summary>
    public static bool IsComparable(LedgerSnapshot redis, LoadId stored, LoadId? raisedFrom) =>
        redis is { Stock: not null, Load: { } load } && (load == stored || load == raisedFrom);

    /// <summary>
    /// Units by which a load would raise the counter above what it offers and holds. Above 0 only if MySQL has units back that Redis has
    /// sold, or if another producer has taken units from the counter for orders that are still in the queue. Null when the two cannot be
    /// compared.
    /// </summary>
    /// <param name="stock">Units left in MySQL.</param>
    /// <param name="stored">MySQL's load.</param>
    /// <param name="redis">The counter.</param>
    /// <param name="decided">MySQL's decisions on the unsettled orders.</param>
    /// <param name="raisedFrom">The load to which stock was added; null if none was added.</param>
    /// <param name="addedUnits">Units that were added.</param>
    public static long? RiseOf(
        long stock, LoadId stored, LedgerSnapshot redis, IEnumerable<Settlement> decided, LoadId? raisedFrom, int addedUnits)
    {
        if (!IsComparable(redis, stored, raisedFrom))
        {
            return null;
        }

        // As in a comparison of the books: orders committed before the load, and those published again, are in no held units.
        var told = redis.ToldIds?.ToHashSet() ?? [];
        var committed = decided
            .Where(order => order.StockDeducted && order.CommittedEpoch >= redis.Epoch && !told.Contains(order.OrderId))
            .Sum(order => (long)order.Quantity);
        return stock - (redis.Load == stored ? 0 : addedUnits) - (redis.Stock + redis.Held - committed);
    }
}
