namespace Seckill.Ordering.Faults;

/// <summary>
/// Deliberate bugs: the chaos run must find each of them, or its "nothing lost" proves nothing. They exist only in Debug builds, where
/// <c>SECKILL_SABOTAGE=name</c> plants one.
/// </summary>
public static class Sabotage
{
    /// <summary>The gate keeps no outbox: an order that is not published at once is never published.</summary>
    public const string NoOutbox = "no-outbox";

    /// <summary>The worker treats every delivery as a new order.</summary>
    public const string NoIdempotency = "no-idempotency";

    /// <summary>The worker acks before it commits.</summary>
    public const string AckBeforeCommit = "ack-before-commit";

    /// <summary>The worker drops messages that can never become an order. Not for the chaos run, which sends no such messages.</summary>
    public const string NoDeadLetters = "no-dead-letters";

    /// <summary>The bugs that the chaos run must find.</summary>
    public static IReadOnlyList<string> Names { get; } = [NoOutbox, NoIdempotency, AckBeforeCommit];

#if CRASH_POINTS
    /// <summary>Whether bugs can be planted in this build at all.</summary>
    public static bool Possible => true;

    private static readonly string? Planted = Environment.GetEnvironmentVariable("SECKILL_SABOTAGE");

    /// <summary>Whether this is the bug that was planted; never in a Release build.</summary>
    public static bool Is(string name) => name == Planted;
#else
    /// <summary>Whether bugs can be planted in this build at all.</summary>
    public static bool Possible => false;

    /// <summary>Whether this is the bug that was planted; never in a Release build.</summary>
    public static bool Is(string name) => false;
#endif
}
