using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>The worker's verdict on one order, as an argument of <c>settle.lua</c>.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Success">The buyer's result.</param>
/// <param name="Detail">Order number on success, reason on failure.</param>
/// <param name="StockDeducted">Whether MySQL deducted stock for this very order id; if not, its reserved units go back.</param>
/// <param name="CommittedEpoch">The SKU's gate epoch in MySQL at the commit.</param>
/// <param name="Quantity">Units.</param>
/// <param name="UserId">The buyer.</param>
/// <param name="ClientOrderNo">The click's own number, or null.</param>
/// <param name="MessageEpoch">The epoch in the message; null for another producer's order, which never moves the counter.</param>
public readonly record struct Settlement(
    long OrderId,
    bool Success,
    string Detail,
    bool StockDeducted,
    long CommittedEpoch,
    int Quantity,
    long UserId,
    string? ClientOrderNo,
    long? MessageEpoch);

/// <summary>The result of settling one order.</summary>
public enum SettleCode
{
    /// <summary>Recorded now; compensated now if necessary.</summary>
    Settled,

    /// <summary>Was settled before; nothing changed.</summary>
    AlreadySettled,

    /// <summary>Was settled before with the opposite result, which the buyer was told; nothing changed.</summary>
    Contradicted,

    /// <summary>Redis no longer has the SKU; only MySQL knows the answer.</summary>
    Forgotten,

    /// <summary>The reservation with this id is another buyer's; nothing changed.</summary>
    OtherBuyer,

    /// <summary>The reservation, or the buyer's entry, is not in our format; nothing changed.</summary>
    Unreadable,
}

/// <summary>The result of one of several calls.</summary>
/// <param name="Codes">One for each settlement; none when the call failed.</param>
/// <param name="Error">Why it failed, else null.</param>
public readonly record struct SettleReply(SettleCode[] Codes, Exception? Error);

/// <summary>Reservations of one SKU that are due to be published again.</summary>
/// <param name="Sku">The SKU.</param>
/// <param name="Due">The reservations.</param>
/// <param name="Error">Why more may be due that could not be read, else null.</param>
public readonly record struct DueReply(SkuKeys Sku, IReadOnlyList<Reservation> Due, Exception? Error);

/// <summary>The result of loading a SKU into the gate.</summary>
/// <param name="Loaded">True when the counter was set from MySQL, false when it was running and was kept.</param>
/// <param name="Epoch">The counter's epoch after the call.</param>
/// <param name="Stock">The counter after the call, units.</param>
/// <param name="Refused">True when Redis no longer matched the caller's snapshot: nothing was changed.</param>
public readonly record struct WarmResult(bool Loaded, long Epoch, long Stock, bool Refused = false);

/// <summary>A sale's terms as the gate enforces them, by Redis time.</summary>
/// <param name="StartsAt">First moment at which orders are accepted.</param>
/// <param name="EndsAt">First moment at which orders are no longer accepted.</param>
/// <param name="LimitPerUser">Units that one buyer may hold.</param>
/// <param name="Paused">Closed by an operator.</param>
public readonly record struct SaleTerms(DateTimeOffset StartsAt, DateTimeOffset EndsAt, int LimitPerUser, bool Paused)
{
    /// <summary>The fields as Redis stores them: starts_ms, ends_ms, limit, paused, expire_ms.</summary>
    internal RedisValue[] Fields =>
    [
        StartsAt.ToUnixTimeMilliseconds(), EndsAt.ToUnixTimeMilliseconds(), LimitPerUser, Paused ? 1 : 0,
        StockLedger.ExpiryOf(this).ToUnixTimeMilliseconds(),
    ];
}
