using System.Globalization;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Identifies a load of a SKU's counter. The epoch rises with each load, but MySQL and Redis count it separately. If a load dies between
/// them and the epoch is then raised in MySQL for another reason, both have the same number for different counters. The token is always
/// different.
/// </summary>
/// <param name="Epoch">Orders loads, and shows which load has counted an order; 0 before the first.</param>
/// <param name="Token">Random for each load, above 0; below 0 when stock was added to the load that has this token without the sign; null
/// for a load by an instance from before tokens existed.</param>
public readonly record struct LoadId(long Epoch, long? Token)
{
    /// <summary>A new token, unique to one load.</summary>
    public static long NewToken() => Random.Shared.NextInt64(1, long.MaxValue);

    /// <summary>
    /// The load that MySQL records when stock is added to this one: the next epoch, and this token negated. So it differs from a load by
    /// another server, whose token is a new one.
    /// </summary>
    public LoadId Raised() => new(Epoch + 1, Token is > 0 and var token ? -token : NewToken());

    /// <summary>The scripts' format.</summary>
    internal string Text => string.Create(CultureInfo.InvariantCulture, $"{Epoch}:{Token}");
}
