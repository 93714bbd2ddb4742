using System.Diagnostics;
using Seckill.Ordering.Contract;

namespace Seckill.OrderWorker.Batches;

/// <summary>One order between pick-up and ack.</summary>
internal sealed class OrderInHand(
    Delivery delivery, ReadOnlyMemory<byte> body, int? part, OrderMessage message, string? clickNo, ActivityContext trace, Activity? span)
{
    public Delivery Delivery { get; } = delivery;

    /// <summary>This order's own part of the delivery's body.</summary>
    public ReadOnlyMemory<byte> Body { get; } = body;

    /// <summary>Its place in a message of many, from 0; null when the message is this order alone.</summary>
    public int? Part { get; } = part;

    public OrderMessage Message { get; set; } = message;

    /// <summary>What identifies the order besides its id, see <see cref="OrderIntake"/>; null for nothing.</summary>
    public string? ClickNo { get; } = clickNo;

    /// <summary>The click's trace; default when nobody named one.</summary>
    public ActivityContext Trace { get; } = trace;

    /// <summary>From pick-up until settled; null when nobody listens or the trace is not sampled.</summary>
    public Activity? Span { get; } = span;

    /// <summary>The gate's id, or the worker's for another producer's order; 0 until the worker has made one.</summary>
    public long OrderId { get; set; } = message.OrderId ?? 0;

    /// <summary>The verdict that MySQL has committed; null until then, and for good when the order is poison or parked.</summary>
    public OrderVerdict? Verdict { get; set; }

    /// <summary>Whether anything tells this order from another one when its message comes again.</summary>
    public bool IsUnmistakable => FromGate || ClickNo is not null;

    /// <summary>Whether a gate reserved stock for it.</summary>
    public bool FromGate => Message.OrderId is not null;

    /// <summary>When the gate reserved, or when the worker picked it up if no gate did.</summary>
    public DateTimeOffset ReservedAt => Message.ReservedAtMs is { } ms ? DateTimeOffset.FromUnixTimeMilliseconds(ms) : Delivery.ReceivedAt;
}
