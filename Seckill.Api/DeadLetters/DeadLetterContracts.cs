namespace Seckill.Api.DeadLetters;

/// <summary>What could be read of an order; a member that is missing or of another type is null.</summary>
public sealed record DeadLetterOrder(string? UserId, string? SkuId, long? Quantity, string? ClientOrderNo, string? OrderId);

/// <summary>One dead letter. Times in ms since 1970 UTC.</summary>
/// <param name="Id">The same at every reading while the letter lies in the queue.</param>
/// <param name="Reason">Why it is dead: the worker's words, or the broker's reason after "broker: ".</param>
/// <param name="Attempts">How often it has been refused, replays included.</param>
/// <param name="FirstAtMs">First refusal; null when nobody noted it.</param>
/// <param name="LastAtMs">Last refusal; null when nobody noted it.</param>
/// <param name="TraceId">The click's W3C trace id; null when it came without one.</param>
/// <param name="Order">Null when the body is not a JSON object.</param>
/// <param name="Body">The body as text, cut.</param>
/// <param name="BodyBytes">Size of the whole body as it came; more than the letter holds where the worker kept the beginning only.</param>
public sealed record DeadLetterItem(
    string Id, string Reason, long Attempts, long? FirstAtMs, long? LastAtMs, string? TraceId, DeadLetterOrder? Order, string Body,
    long BodyBytes);

/// <summary>The heads of both queues.</summary>
/// <param name="Count">Dead letters in all.</param>
/// <param name="Items">The first of them.</param>
/// <param name="ParkedCount">Orders that MySQL or Redis did not take while it took others; each is tried again by itself within
/// seconds.</param>
/// <param name="Parked">The first of them.</param>
public sealed record DeadLetterListResponse(
    long Count, IReadOnlyList<DeadLetterItem> Items, long ParkedCount, IReadOnlyList<DeadLetterItem> Parked);

/// <summary>What a replay did.</summary>
/// <param name="Replayed">Letters that the order queue has confirmed and that are gone from here.</param>
/// <param name="Refused">Letters that the broker did not take; they stay.</param>
/// <param name="Remaining">Letters left, those that came in meanwhile not counted.</param>
public sealed record ReplayResponse(int Replayed, int Refused, long Remaining);

/// <summary>What an abandonment did.</summary>
/// <param name="Outcome">"failed" (the buyer is told FAILED and what was held went back), or "removed" (no order of ours was behind
/// it).</param>
/// <param name="OrderId">The order that failed, else null.</param>
public sealed record AbandonResponse(string Outcome, string? OrderId);
