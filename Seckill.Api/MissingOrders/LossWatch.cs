using System.Collections.Concurrent;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.MissingOrders;

/// <summary>How the books of a SKU stand; null for what cannot be told.</summary>
/// <param name="Difference">Redis against MySQL, units.</param>
/// <param name="HeldDifference">What Redis says it holds against its outbox, units.</param>
/// <param name="StoreDifference">MySQL against itself, units.</param>
/// <param name="RedisLoad">Which load of the counter Redis has.</param>
/// <param name="MySqlLoad">Which one MySQL has.</param>
public readonly record struct BooksState(
    long? Difference, long? HeldDifference, long? StoreDifference, LoadId? RedisLoad, LoadId MySqlLoad)
{
    /// <summary>
    /// Orders that one side has lost leave a difference, since the units went with them: within an epoch MySQL's stock only falls, and
    /// each unit of it stands in an order. An addition of stock, which could hide them, raises the epoch and would be lost as well.
    /// </summary>
    public bool Balanced => Difference == 0 && HeldDifference is 0 or null && StoreDifference is 0 or null;
}

/// <summary>
/// Decides when orders are searched for: when the books of a SKU do not balance, and again when they have changed. Many look at the same
/// books, and each search goes through all of the SKU's orders.
/// </summary>
public sealed class LossWatch(MissingOrderSearch search, TimeProvider time)
{
    /// <summary>How long a search that found nothing to publish stands for books that stay as they are, ms.</summary>
    private const int NothingFoundHoldMs = 600_000;

    /// <summary>How long one that found something does, ms.</summary>
    private const int FoundHoldMs = 1_000;

    private readonly ConcurrentDictionary<long, (BooksState State, LostOrders Found, long At)> _searches = new();

    /// <summary>What is lost of a SKU with these books.</summary>
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
