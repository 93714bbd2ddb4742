using System.Diagnostics;
using Seckill.Ordering.Contract;

namespace Seckill.OrderWorker.Batches;

/// <summary>One order between receipt and ack.</summary>
internal sealed class OrderInHand(
    Delivery delivery, ReadOnlyMemory<byte> body, int? part, OrderMessage message, string? clickNo, ActivityContext trace, Activity? span)
{
    public Delivery Delivery { get; } = delivery;

    /// <summary>This order's own part of the delivery's body.</summary>
    public ReadOnlyMemory<byte> Body { get; } = body;

    /// <summary>Position in a message of many, from 0; null when the order is the whole message.</summary>
    public int? Part { get; } = part;

    public OrderMessage Message { get; set; } = message;

    /// <summary>Identifies the order besides its id, see <see cref="OrderIntake"/>; null for nothing.</summary>
    public string? ClickNo { get; } = clickNo;

    /// <summary>The click's trace; default when the message carries none.</summary>
    public ActivityContext Trace { get; } = trace;

    /// <summary>From receipt until settled; null when tracing is off or the trace is not sampled.</summary>
    public Activity? Span { get; } = span;

    /// <summary>The gate's id, or one made by the worker for another producer's order; 0 until the worker has made it.</summary>
    public long OrderId { get; set; } = message.OrderId ?? 0;

    /// <summary>The verdict committed in MySQL. Null until then; it stays null when the order is poison or parked.</summary>
    public OrderVerdict? Verdict { get; set; }

    /// <summary>Whether the order can be recognised when its message is delivered again.</summary>
    public bool IsUnmistakable => FromGate || ClickNo is not null;

    /// <summary>Whether the gate reserved stock for it.</summary>
    public bool FromGate => Message.OrderId is not null;

    /// <summary>When the gate reserved stock, or when the worker received the order if no gate did.</summary>
    public DateTimeOffset ReservedAt => Message.ReservedAtMs is { } ms ? DateTimeOffset.FromUnixTimeMilliseconds(ms) : Delivery.ReceivedAt;
}
