using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>An order that Redis has accepted, and the epoch of the counter that it was deducted from.</summary>
public readonly record struct AcceptedOrder(long Epoch, long OrderId);

/// <summary>Progress of a SKU's counter: by epoch, then by the total number of accepted reservations.</summary>
internal readonly record struct CounterPosition(long Epoch, long ReservedCount)
{
    /// <summary>Whether this position is before the other one; a counter that has lost nothing never goes back.</summary>
    public bool IsBefore(CounterPosition other) =>
        Epoch < other.Epoch || (Epoch == other.Epoch && ReservedCount < other.ReservedCount);
}

/// <summary>
/// One instance's memory of a SKU's counter: if Redis falls behind it, a stale copy has taken over. One lane writes, others read.
/// </summary>
internal sealed class LaneMemory
{
    private sealed record Order(AcceptedOrder Accepted);

    private Order? _newest;

    /// <summary>The farthest position that a reply has shown.</summary>
    public CounterPosition Position { get; private set; }

    /// <summary>The newest order accepted here; null before the first.</summary>
    public AcceptedOrder? Newest => Volatile.Read(ref _newest)?.Accepted;

    /// <summary>
    /// Learns from a reply. False when Redis has fallen behind <paramref name="atSending"/>, the position known when the call was sent:
    /// calls in flight together may have run in any order.
    /// </summary>
    public bool Learn(ReserveReply reply, CounterPosition atSending)
    {
        if (reply.Epoch == 0)
        {
            // Cold or too late: it says nothing about the counter.
            return true;
        }

        var position = new CounterPosition(reply.Epoch, reply.ReservedCount);
        Position = Position.IsBefore(position) ? position : Position;
        return !position.IsBefore(atSending);
    }

    public void Accept(long epoch, long orderId) => Volatile.Write(ref _newest, new Order(new AcceptedOrder(epoch, orderId)));
}
