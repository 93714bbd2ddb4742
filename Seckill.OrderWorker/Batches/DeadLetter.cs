using System.Diagnostics;

namespace Seckill.OrderWorker.Batches;

/// <summary>A message, or one order out of a message of many, that can never become an order.</summary>
/// <param name="Delivery">The message it came in.</param>
/// <param name="Body">What to keep: the whole body, or the one order in it.</param>
/// <param name="Part">Its place in a message of many, from 0; null when the message is this one.</param>
/// <param name="Reason">What an operator reads.</param>
/// <param name="Span">The order's span; null when nobody listens.</param>
internal sealed record DeadLetter(Delivery Delivery, ReadOnlyMemory<byte> Body, int? Part, string Reason, Activity? Span);
