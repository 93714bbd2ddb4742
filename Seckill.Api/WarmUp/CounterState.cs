using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>How a counter in Redis compares with the load that MySQL has recorded.</summary>
internal static class CounterState
{
    /// <summary>The load that MySQL has recorded; null without a row.</summary>
    public static LoadId? LoadOf(ProductSku? row) => row is null ? null : new LoadId(row.GateEpoch, row.GateLoad);

    /// <summary>Whether the counter is complete and only lacks the units that were added when its load's epoch was raised.</summary>
    public static bool IsOutdated(LedgerSnapshot redis, LoadId? raisedFrom) =>
        raisedFrom is not null && redis.Load == raisedFrom && redis is { Stock: not null, Closed: false, SameServer: not false };

    /// <summary>Whether MySQL's load is the next one after the counter's, and Redis has not been restarted since that was set.</summary>
    public static bool IsRaised(LedgerSnapshot redis, LoadId stored) =>
        redis is { Stock: not null, Closed: false, SameServer: true } && stored.Epoch == redis.Epoch + 1;

    /// <summary>Whether the counter must be loaded.</summary>
    public static bool IsDue(LedgerSnapshot redis, ProductSku row, bool suspect) =>
        suspect || redis.Stock is null || redis.Load != LoadOf(row) || redis.Closed || redis.SameServer is false;

    /// <summary>Whether Redis may lack buyers: not when the counter is only outdated.</summary>
    public static bool HasForgotten(LedgerSnapshot redis, ProductSku row, LoadId? raisedFrom) =>
        row.GateEpoch != raisedFrom?.Epoch + 1 || !IsOutdated(redis, raisedFrom);
}
