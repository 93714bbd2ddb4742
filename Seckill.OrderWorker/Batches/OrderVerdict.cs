namespace Seckill.OrderWorker.Batches;

/// <summary>The result of an order in MySQL.</summary>
internal enum VerdictKind
{
    /// <summary>Written now; stock deducted.</summary>
    Accepted,

    /// <summary>Refused now.</summary>
    Rejected,

    /// <summary>Written before: redelivered, published again or replayed.</summary>
    WrittenBefore,

    /// <summary>Refused before.</summary>
    RejectedBefore,

    /// <summary>The same click was written under another order id.</summary>
    DuplicateClick,
}

/// <summary>A committed decision.</summary>
/// <param name="Kind">The kind of decision.</param>
/// <param name="OrderId">The order written for the click: the order's own id, or the first order's.</param>
/// <param name="Detail">Order number on success, reason on failure.</param>
/// <param name="CommittedEpoch">The SKU's gate epoch at the commit; 0 for a failure, which needs none.</param>
internal sealed record OrderVerdict(VerdictKind Kind, long OrderId, string Detail, long CommittedEpoch)
{
    /// <summary>Of a duplicate click: whether a gate reserved stock for the first order.</summary>
    public bool IsFirstReserved { get; init; }

    /// <summary>The buyer's result.</summary>
    public bool Success => Kind is VerdictKind.Accepted or VerdictKind.WrittenBefore or VerdictKind.DuplicateClick;

    /// <summary>Whether MySQL deducted stock for the order's own id.</summary>
    public bool StockDeducted => Kind is VerdictKind.Accepted or VerdictKind.WrittenBefore;
}

/// <summary>Reasons that buyers read when an order fails; other programs may rely on the wording.</summary>
internal static class RejectionReason
{
    public const string SoldOut = "sold out";
    public const string LimitReached = "limit reached";
    public const string UnknownSku = "unknown sku";
    public const string IdTaken = "order id was used for another order";
    public const string NumberUsed = "client_order_no was used for another order";
}
