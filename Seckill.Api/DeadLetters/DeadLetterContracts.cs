namespace Seckill.Api.DeadLetters;

/// <summary>The readable members of an order; a member that is missing or of another type is null.</summary>
public sealed record DeadLetterOrder(string? UserId, string? SkuId, long? Quantity, string? ClientOrderNo, string? OrderId);

/// <summary>One dead letter. Times in ms since 1970 UTC.</summary>
/// <param name="Id">Stays the same at every reading while the letter is in the queue.</param>
/// <param name="Reason">Why it is dead: the worker's reason, or the broker's after "broker: ".</param>
/// <param name="Attempts">How often it has been refused, replays included.</param>
/// <param name="FirstAtMs">First refusal; null when unknown.</param>
/// <param name="LastAtMs">Last refusal; null when unknown.</param>
/// <param name="TraceId">The click's W3C trace id; null when it came without one.</param>
/// <param name="Order">Null when the body is not a JSON object.</param>
/// <param name="Body">The body as text, truncated.</param>
/// <param name="BodyBytes">Size of the original body; larger than the letter if the worker kept only the beginning.</param>
public sealed record DeadLetterItem(
    string Id, string Reason, long Attempts, long? FirstAtMs, long? LastAtMs, string? TraceId, DeadLetterOrder? Order, string Body,
    long BodyBytes);

/// <summary>The first messages of both queues.</summary>
/// <param name="Count">Total number of dead letters.</param>
/// <param name="Items">The first of them.</param>
/// <param name="ParkedCount">Orders that MySQL or Redis did not accept while it accepted others; each is retried automatically within
/// seconds.</param>
/// <param name="Parked">The first of them.</param>
public sealed record DeadLetterListResponse(
    long Count, IReadOnlyList<DeadLetterItem> Items, long ParkedCount, IReadOnlyList<DeadLetterItem> Parked);

/// <summary>The result of a replay.</summary>
/// <param name="Replayed">Letters that the order queue has confirmed and that were removed from here.</param>
/// <param name="Refused">Letters that the broker did not accept; they stay.</param>
/// <param name="Remaining">Letters left, not counting those that arrived meanwhile.</param>
public sealed record ReplayResponse(int Replayed, int Refused, long Remaining);

/// <summary>The result of an abandonment.</summary>
/// <param name="Outcome">"failed" (the buyer is told FAILED and the reserved units are returned), "removed" (there was no order of this
/// system behind the letter), "contradicted" (the order is refused, but its buyer was told SUCCESS before, which stays: contact the buyer),
/// or "unsettled" (the order is refused, but Redis's data of it is not in our format: its units are returned once that is
/// repaired).</param>
/// <param name="OrderId">The order that is refused, else null.</param>
public sealed record AbandonResponse(string Outcome, string? OrderId);
