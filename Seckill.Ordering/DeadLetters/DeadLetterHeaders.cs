namespace Seckill.Ordering.DeadLetters;

/// <summary>What stands in a dead letter's headers: the worker writes it, operators read it.</summary>
public static class DeadLetterHeaders
{
    /// <summary>Why it can never become an order.</summary>
    public const string Reason = "x-seckill-reason";

    /// <summary>How often a worker has refused it, replays included.</summary>
    public const string Attempts = "x-seckill-attempts";

    /// <summary>First refusal, UTC, ISO 8601.</summary>
    public const string FirstAt = "x-seckill-first-at";

    /// <summary>Last refusal, UTC, ISO 8601.</summary>
    public const string LastAt = "x-seckill-last-at";

    /// <summary>Bytes of the whole body, where the letter holds its beginning only.</summary>
    public const string BodyBytes = "x-seckill-body-bytes";

    /// <summary>When an order was parked first, UTC, ISO 8601; a replay begins anew.</summary>
    public const string ParkedAt = "x-seckill-parked-at";

    /// <summary>All of them: what a producer wrote under these names is not carried over.</summary>
    public static IReadOnlyList<string> All { get; } = [Reason, Attempts, FirstAt, LastAt, BodyBytes, ParkedAt];
}
