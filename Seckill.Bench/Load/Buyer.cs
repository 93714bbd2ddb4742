namespace Seckill.Bench.Load;

/// <summary>Someone who clicks once.</summary>
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
/// <param name="Buyer">Who clicked.</param>
/// <param name="Outcome">What came back.</param>
/// <param name="OrderId">The order's id when queued, else 0.</param>
/// <param name="Reason">The <c>error</c> member and status code when refused, the fault when nothing came back, else empty.</param>
/// <param name="Status">HTTP status; 0 when nothing came back.</param>
/// <param name="Amount">What the order will be charged, where the answer says it.</param>
public sealed record Answer(Buyer Buyer, AskOutcome Outcome, long OrderId, string Reason, int Status = 0, decimal? Amount = null);

/// <summary>What the status route says of an order in the end.</summary>
public enum FinalState
{
    Success,
    Failed,

    /// <summary>No final answer within the deadline.</summary>
    Unknown,
}

/// <summary>What became of a queued order, as its buyer sees it.</summary>
/// <param name="Answer">The answer to the click.</param>
/// <param name="State">What the buyer was told.</param>
/// <param name="Detail">Order number or reason.</param>
public sealed record Outcome(Answer Answer, FinalState State, string Detail);
