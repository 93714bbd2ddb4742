using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>The worker's verdict on one order, as <c>settle.lua</c> takes it.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Success">What the buyer is told.</param>
/// <param name="Detail">Order number on success, reason on failure.</param>
/// <param name="StockDeducted">Whether MySQL deducted stock for this very order id; if not, what it held goes back.</param>
/// <param name="CommittedEpoch">The SKU's gate epoch in MySQL when the verdict was committed.</param>
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

/// <summary>What settling one order did.</summary>
public enum SettleCode
{
    /// <summary>Recorded now; compensated now if it was to be.</summary>
    Settled,

    /// <summary>Was settled before; nothing changed.</summary>
    AlreadySettled,

    /// <summary>Redis has forgotten the SKU; MySQL alone knows the answer.</summary>
    Forgotten,

    /// <summary>The reservation with this id is another buyer's; nothing changed.</summary>
    OtherBuyer,

    /// <summary>The reservation, or what the buyer holds, is none of our records; nothing changed.</summary>
    Unreadable,
}

/// <summary>How one of several calls came out.</summary>
/// <param name="Codes">One for each settlement; none when the call failed.</param>
/// <param name="Error">Why it failed, else null.</param>
public readonly record struct SettleReply(SettleCode[] Codes, Exception? Error);

/// <summary>What is due to be published again of one SKU.</summary>
/// <param name="Sku">The SKU.</param>
/// <param name="Due">The reservations.</param>
/// <param name="Error">Why there may be more that did not come, else null.</param>
public readonly record struct DueReply(SkuKeys Sku, IReadOnlyList<Reservation> Due, Exception? Error);

/// <summary>What loading a SKU into the gate did.</summary>
/// <param name="Loaded">True when the counter was set from MySQL, false when it was running and stays.</param>
/// <param name="Epoch">The counter's epoch after the call.</param>
/// <param name="Stock">The counter after the call, units.</param>
/// <param name="Refused">True when Redis was not any more what the call was decided on: nothing was changed.</param>
public readonly record struct WarmResult(bool Loaded, long Epoch, long Stock, bool Refused = false);

/// <summary>A sale's terms as the gate enforces them, by Redis time.</summary>
/// <param name="StartsAt">First moment at which orders are taken.</param>
/// <param name="EndsAt">First moment at which they are not.</param>
/// <param name="LimitPerUser">Units that one buyer may hold.</param>
/// <param name="Paused">Closed by an operator.</param>
public readonly record struct SaleTerms(DateTimeOffset StartsAt, DateTimeOffset EndsAt, int LimitPerUser, bool Paused)
{
    /// <summary>As Redis keeps them: starts_ms, ends_ms, limit, paused, expire_ms.</summary>
    internal RedisValue[] Fields =>
    [
        StartsAt.ToUnixTimeMilliseconds(), EndsAt.ToUnixTimeMilliseconds(), LimitPerUser, Paused ? 1 : 0,
        StockLedger.ExpiryOf(this).ToUnixTimeMilliseconds(),
    ];
}
