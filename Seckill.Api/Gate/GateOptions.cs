using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>Section <c>Gate</c>.</summary>
public sealed class GateOptions
{
    public const string Section = "Gate";

    /// <summary>Maximum number of requests for one SKU that may wait for Redis; further ones get 503 <c>busy</c>.</summary>
    [Range(1, 1_000_000)]
    public int WaitingMax { get; init; } = 20_000;

    /// <summary>Maximum number of requests in one script call.</summary>
    [Range(1, StockLedger.ReserveBatchSizeMax)]
    public int BatchSizeMax { get; init; } = 64;

    /// <summary>Maximum script calls for one SKU that Redis has not answered yet. More than one only while full batches wait.</summary>
    [Range(1, 64)]
    public int CallsInFlightMax { get; init; } = 4;

    /// <summary>
    /// How long a click waits for Redis before it gets 503 <c>busy</c>, ms. After that nothing is reserved for it, even by a call that
    /// Redis runs later.
    /// </summary>
    [Range(500, 30_000)]
    public int AnswerWithinMs { get; init; } = 2_000;

    /// <summary>How often a click may probe Redis while it is not answering, ms; all others get 503 <c>busy</c> at once.</summary>
    [Range(10, 10_000)]
    public int AwayProbeEveryMs { get; init; } = 200;

    /// <summary>
    /// How long after the click a buyer with a reserved order waits for the broker's confirm, ms; then the answer is "queued" anyway,
    /// because the outbox has the order.
    /// </summary>
    [Range(1, 30_000)]
    public int ConfirmWaitMs { get; init; } = 1_000;

    /// <summary>How often one request may check whether a sold-out SKU has stock again, ms.</summary>
    [Range(10, 1_000)]
    public int ShieldProbeEveryMs { get; init; } = 200;

    /// <summary>How long the shield answers from Redis's last reply, ms.</summary>
    [Range(10, 1_000)]
    public int ShieldHoldMs { get; init; } = 1_000;

    /// <summary>
    /// Maximum buyers that the shield remembers, so that a repeated click still finds its order; with more, all requests go to Redis.
    /// </summary>
    [Range(0, 10_000_000)]
    public int ShieldBuyersMax { get; init; } = 200_000;
}
