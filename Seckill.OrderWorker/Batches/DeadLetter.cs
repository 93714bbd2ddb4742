using System.Diagnostics;
using RabbitMQ.Client;
using Seckill.Ordering.Unreadable;

namespace Seckill.OrderWorker.Batches;

/// <summary>A message, or one order out of a message of many, that can never become an order.</summary>
/// <param name="Delivery">The message that contained it.</param>
/// <param name="Body">The bytes to keep: the whole body, or the one order in it.</param>
/// <param name="Part">Position in a message of many, from 0; null when the order is the whole message.</param>
/// <param name="Reason">Shown to operators.</param>
/// <param name="Trace">The order's trace; default when the message carries none.</param>
/// <param name="Span">The order's span; null when its trace is not recorded.</param>
internal sealed record DeadLetter(
    Delivery Delivery, ReadOnlyMemory<byte> Body, int? Part, string Reason, ActivityContext Trace, Activity? Span)
{
    public static DeadLetter Of(OrderInHand order, string reason) =>
        new(order.Delivery, order.Body, order.Part, reason, order.Trace, order.Span);

    /// <summary>For a message that never became a delivery.</summary>
    public static DeadLetter Of(UnreadableMessage message, DateTimeOffset now)
    {
        var delivery = new Delivery(
            0, message.BodyHead, new BasicProperties(), default, now, (long)Math.Min(message.BodyBytes, long.MaxValue));
        return new DeadLetter(delivery, message.BodyHead, null, message.Reason, default, null);
    }
}
