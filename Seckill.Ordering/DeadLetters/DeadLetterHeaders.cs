namespace Seckill.Ordering.DeadLetters;

/// <summary>The headers of a dead letter: written by the worker, read by operators.</summary>
public static class DeadLetterHeaders
{
    /// <summary>The reason why it can never become an order.</summary>
    public const string Reason = "x-seckill-reason";

    /// <summary>How often a worker has refused it, replays included.</summary>
    public const string Attempts = "x-seckill-attempts";

    /// <summary>First refusal, UTC, ISO 8601.</summary>
    public const string FirstAt = "x-seckill-first-at";

    /// <summary>Last refusal, UTC, ISO 8601.</summary>
    public const string LastAt = "x-seckill-last-at";

    /// <summary>Bytes of the whole body, if the letter contains only its beginning.</summary>
    public const string BodyBytes = "x-seckill-body-bytes";

    /// <summary>When an order was first parked, UTC, ISO 8601; a replay starts over.</summary>
    public const string ParkedAt = "x-seckill-parked-at";

    /// <summary>All of them: a producer's own values under these names are not carried over.</summary>
    public static IReadOnlyList<string> All { get; } = [Reason, Attempts, FirstAt, LastAt, BodyBytes, ParkedAt];
}
