using System.Diagnostics;
using RabbitMQ.Client;

namespace Seckill.OrderWorker.Batches;

/// <summary>
/// What the client hands over, copied out of the handler: the body's memory goes back to the client when the handler returns.
/// </summary>
/// <param name="Tag">The channel's number for it; to ack with.</param>
/// <param name="Body">A copy; of a body that is too large, its beginning.</param>
/// <param name="Properties">Properties and headers; the client does not reuse them.</param>
/// <param name="Trace">The click's trace, or default when the message carries none and nobody listens.</param>
/// <param name="ReceivedAt">When the worker picked it up.</param>
/// <param name="BodyBytes">Bytes of the whole body.</param>
/// <param name="Condemned">Why it is not to be looked into, since sessions end over it; null in the normal case.</param>
internal sealed record Delivery(
    ulong Tag, byte[] Body, IReadOnlyBasicProperties Properties, ActivityContext Trace, DateTimeOffset ReceivedAt, long BodyBytes,
    string? Condemned = null);
