using Seckill.Ordering.Ledger;

namespace Seckill.Api.Snapshots;

/// <summary>The ids of all unsettled orders of a SKU, together with a snapshot.</summary>
internal static class UnsettledOrders
{
    /// <summary>
    /// Completes a snapshot that may have more unsettled orders than it returns. Then they are listed first, and the snapshot is taken
    /// again after that: an order settled in between is no longer held, and still counts as committed.
    /// </summary>
    public static async Task<(LedgerSnapshot Redis, IReadOnlyList<long> Ids)> CompleteAsync(
        StockRecovery recovery, SkuKeys sku, LedgerSnapshot redis, CancellationToken cancellationToken)
    {
        if (redis.UnsettledIds is { } ids)
        {
            return (redis, ids);
        }

        var listed = await recovery.UnsettledIdsAsync(sku, cancellationToken);
        return (await recovery.SnapshotAsync(sku, 0, cancellationToken), [.. listed]);
    }
}
