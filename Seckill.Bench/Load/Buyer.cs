namespace Seckill.Bench.Load;

/// <summary>A buyer who clicks once.</summary>
/// <param name="UserId">The account.</param>
/// <param name="Token">JWT of the login.</param>
/// <param name="ClientOrderNo">The click's own number; null for a page that sends none.</param>
public sealed record Buyer(long UserId, string Token, string? ClientOrderNo);

/// <summary>How the gate answered a click.</summary>
public enum AskOutcome
{
    Queued,
    Refused,

    /// <summary>Nothing came back: connection refused or broken, or time-out. The order may or may not exist.</summary>
    NoAnswer,
}

/// <summary>The gate's answer to one click.</summary>
/// <param name="Buyer">The buyer.</param>
/// <param name="Outcome">The kind of answer.</param>
/// <param name="OrderId">The order's id when queued, else 0.</param>
/// <param name="Reason">The <c>error</c> member and status code when refused, the fault when nothing came back, else empty.</param>
/// <param name="Status">HTTP status; 0 when nothing came back.</param>
/// <param name="Amount">The amount that the order will be charged, if the answer names it.</param>
public sealed record Answer(Buyer Buyer, AskOutcome Outcome, long OrderId, string Reason, int Status = 0, decimal? Amount = null);

/// <summary>The final state of an order from the status route.</summary>
public enum FinalState
{
    Success,
    Failed,

    /// <summary>No final answer within the deadline.</summary>
    Unknown,
}

/// <summary>The outcome of a queued order, as its buyer sees it.</summary>
/// <param name="Answer">The answer to the click.</param>
/// <param name="State">The state that the buyer was told.</param>
/// <param name="Detail">Order number or reason.</param>
public sealed record Outcome(Answer Answer, FinalState State, string Detail);
