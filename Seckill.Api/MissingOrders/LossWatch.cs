using System.Collections.Concurrent;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.MissingOrders;

/// <summary>The balance of a SKU; null for values that are unknown.</summary>
/// <param name="Difference">Redis against MySQL, units.</param>
/// <param name="HeldDifference">Redis's total of held units against its outbox, units.</param>
/// <param name="StoreDifference">MySQL stock and orders against units put on sale, units.</param>
/// <param name="RedisLoad">The counter load in Redis.</param>
/// <param name="MySqlLoad">The counter load in MySQL.</param>
public readonly record struct BooksState(
    long? Difference, long? HeldDifference, long? StoreDifference, LoadId? RedisLoad, LoadId MySqlLoad)
{
    /// <summary>
    /// Orders that one side has lost leave a difference, because their units are gone with them: within an epoch MySQL's stock only falls,
    /// and each unit of it is in an order. Adding stock could hide them, but it raises the epoch and would be lost as well.
    /// </summary>
    public bool Balanced => Difference == 0 && HeldDifference is 0 or null && StoreDifference is 0 or null;
}

/// <summary>
/// Decides when to search for missing orders: when a SKU does not balance, and again when its numbers have changed. Several callers check
/// the same numbers, and each search reads all of the SKU's orders.
/// </summary>
public sealed class LossWatch(MissingOrderSearch search, TimeProvider time)
{
    /// <summary>How long a search without orders to publish stays valid while the numbers do not change, ms.</summary>
    private const int NothingFoundHoldMs = 600_000;

    /// <summary>How long a search that found some stays valid, ms.</summary>
    private const int FoundHoldMs = 1_000;

    private readonly ConcurrentDictionary<long, (BooksState State, LostOrders Found, long At)> _searches = new();

    /// <summary>The lost orders of a SKU in this state.</summary>
    /// <exception cref="StackExchange.Redis.RedisException">Redis does not answer, or has something else under the SKU's keys.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<LostOrders> LookAsync(SkuKeys sku, BooksState state, CancellationToken cancellationToken)
    {
        if (state.Balanced)
        {
            _searches.TryRemove(sku.SkuId, out _);
            return LostOrders.None;
        }

        if (_searches.TryGetValue(sku.SkuId, out var last) && last.State == state
            && time.GetElapsedTime(last.At).TotalMilliseconds < (last.Found.Republishable.Any() ? FoundHoldMs : NothingFoundHoldMs))
        {
            return last.Found;
        }

        var found = await search.RunAsync(sku, cancellationToken);
        _searches[sku.SkuId] = (state, found, time.GetTimestamp());
        return found;
    }
}
