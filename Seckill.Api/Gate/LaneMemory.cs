using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>An order that Redis has accepted, and the epoch of the counter that it was deducted from.</summary>
public readonly record struct AcceptedOrder(long Epoch, long OrderId);

/// <summary>How far a SKU's counter had come, by epoch and then by the reservations ever accepted.</summary>
internal readonly record struct CounterPosition(long Epoch, long ReservedCount)
{
    /// <summary>Whether this one lies before the other, which no counter reaches that has all it had.</summary>
    public bool IsBefore(CounterPosition other) =>
        Epoch < other.Epoch || (Epoch == other.Epoch && ReservedCount < other.ReservedCount);
}

/// <summary>
/// One instance's memory of a SKU's counter: if Redis goes back behind it, a stale copy has taken over. One lane writes, others read.
/// </summary>
internal sealed class LaneMemory
{
    private sealed record Order(AcceptedOrder Accepted);

    private Order? _newest;

    /// <summary>The farthest that a reply has shown.</summary>
    public CounterPosition Position { get; private set; }

    /// <summary>The newest order accepted here; null before the first.</summary>
    public AcceptedOrder? Newest => Volatile.Read(ref _newest)?.Accepted;

    /// <summary>
    /// Learns from a reply; false when Redis has gone back behind <paramref name="atSending"/>, which is what was known when it was asked:
    /// calls that were under way together may have run in any order.
    /// </summary>
    public bool Learn(ReserveReply reply, CounterPosition atSending)
    {
        if (reply.Epoch == 0)
        {
            // Cold or too late: it says nothing of the counter.
            return true;
        }

        var position = new CounterPosition(reply.Epoch, reply.ReservedCount);
        Position = Position.IsBefore(position) ? position : Position;
        return !position.IsBefore(atSending);
    }

    public void Accept(long epoch, long orderId) => Volatile.Write(ref _newest, new Order(new AcceptedOrder(epoch, orderId)));
}
