using System.Diagnostics;
using RabbitMQ.Client;
using Seckill.Ordering.DeadLetters;

namespace Seckill.OrderWorker.Batches;

/// <summary>
/// A message from the client, copied out of the handler: the body's memory goes back to the client when the handler returns.
/// </summary>
/// <param name="Tag">The channel's number for the message; needed for the ack.</param>
/// <param name="Body">A copy of the body; only its beginning when it is too large.</param>
/// <param name="Properties">Properties and headers; the client does not reuse them.</param>
/// <param name="Trace">The click's trace, or default when the message carries none and tracing is off.</param>
/// <param name="ReceivedAt">When the worker received it.</param>
/// <param name="BodyBytes">Bytes of the whole body.</param>
/// <param name="Condemned">Why it must not be parsed: it has ended several sessions. Null in the normal case.</param>
internal sealed record Delivery(
    ulong Tag, byte[] Body, IReadOnlyBasicProperties Properties, ActivityContext Trace, DateTimeOffset ReceivedAt, long BodyBytes,
    string? Condemned = null)
{
    /// <summary>Whether it comes back from the parked queue: MySQL or Redis has refused it before.</summary>
    public bool WasParked => Properties.Headers?.ContainsKey(DeadLetterHeaders.ParkedAt) == true;

    /// <summary>
    /// When it was first parked; null if that is unknown. A time in the future was written before a clock was set back and counts as now.
    /// </summary>
    public DateTimeOffset? ParkedSince(DateTimeOffset now) =>
        HeaderValues.TimeOf(Properties.Headers, DeadLetterHeaders.ParkedAt) is not { } since ? null : since < now ? since : now;

    /// <summary>
    /// When it was last refused, or received if it was not parked. If a store has accepted other orders since, the next refusal concerns
    /// this one alone. A refusal after the receipt was written by another clock; then the receipt counts.
    /// </summary>
    public DateTimeOffset TriedSince =>
        WasParked && HeaderValues.TimeOf(Properties.Headers, DeadLetterHeaders.LastAt) is { } last && last < ReceivedAt
            ? last
            : ReceivedAt;

    /// <summary>How often a worker has refused it before; replays count too.</summary>
    public long RefusalCount => HeaderValues.NumberOf(Properties.Headers, DeadLetterHeaders.Attempts) ?? 0;
}
