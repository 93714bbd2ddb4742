using System.Globalization;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Which load of a SKU's counter it is. The epoch rises with each, but is counted in two places, MySQL and Redis: when a load dies between
/// them and the epoch is then raised in MySQL for another reason, both have the same number for different counters. The token is never the
/// same.
/// </summary>
/// <param name="Epoch">Orders loads, and says which of them has counted an order; 0 before the first.</param>
/// <param name="Token">Drawn at random for each load; null for one by an instance that knew of no tokens.</param>
public readonly record struct LoadId(long Epoch, long? Token)
{
    /// <summary>A token that no other load has.</summary>
    public static long NewToken() => Random.Shared.NextInt64(1, long.MaxValue);

    /// <summary>As the scripts name it.</summary>
    internal string Text => string.Create(CultureInfo.InvariantCulture, $"{Epoch}:{Token}");
}
