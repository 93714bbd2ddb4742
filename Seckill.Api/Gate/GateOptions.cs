using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>Section <c>Gate</c>.</summary>
public sealed class GateOptions
{
    public const string Section = "Gate";

    /// <summary>Requests of one SKU that may wait for Redis; more are told to come again.</summary>
    [Range(1, 1_000_000)]
    public int WaitingMax { get; init; } = 20_000;

    /// <summary>Requests in one script call.</summary>
    [Range(1, StockLedger.ReserveBatchSizeMax)]
    public int BatchSizeMax { get; init; } = 64;

    /// <summary>Script calls of one SKU that Redis has not answered yet. More than one only while full batches wait.</summary>
    [Range(1, 64)]
    public int CallsInFlightMax { get; init; } = 4;

    /// <summary>
    /// How long after the click a buyer whose order is reserved waits for the broker's confirm; then "queued" stands on the outbox's word
    /// alone, ms.
    /// </summary>
    [Range(1, 30_000)]
    public int ConfirmWaitMs { get; init; } = 1_000;

    /// <summary>How often one request may look whether a sold-out SKU has stock again, ms.</summary>
    [Range(10, 1_000)]
    public int ShieldProbeEveryMs { get; init; } = 200;

    /// <summary>How long the shield holds on Redis's last word, ms.</summary>
    [Range(10, 1_000)]
    public int ShieldHoldMs { get; init; } = 1_000;

    /// <summary>
    /// Buyers that the shield knows by heart, so that a repeated click still finds its order; with more, all requests go to Redis.
    /// </summary>
    [Range(0, 10_000_000)]
    public int ShieldBuyersMax { get; init; } = 200_000;
}
