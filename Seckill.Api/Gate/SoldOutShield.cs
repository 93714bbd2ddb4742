using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>
/// Answers the losers of one SKU from memory. It knows the buyers with a reservation, because a repeated click must find its order rather
/// than "sold out". Every <c>ShieldProbeEveryMs</c> it allows one request to reach Redis, so returned stock is seen within that time even
/// without the outcome channel.
/// </summary>
internal sealed class SoldOutShield(GateOptions options, TimeProvider time)
{
    private sealed record Armed(IReadOnlySet<long> Buyers, long Epoch, long ReservedCount);

    private Armed? _armed;
    private long _confirmedAt;
    private long _probedAt;

    /// <summary>Whether this buyer can be refused without querying Redis.</summary>
    public bool Refuses(long userId)
    {
        var armed = Volatile.Read(ref _armed);
        if (armed is null || armed.Buyers.Contains(userId))
        {
            return false;
        }

        var now = time.GetTimestamp();
        if (time.GetElapsedTime(Volatile.Read(ref _confirmedAt), now).TotalMilliseconds >= options.ShieldHoldMs)
        {
            return false;
        }

        var probedAt = Volatile.Read(ref _probedAt);
        var probe = time.GetElapsedTime(probedAt, now).TotalMilliseconds >= options.ShieldProbeEveryMs
            && Interlocked.CompareExchange(ref _probedAt, now, probedAt) == probedAt;
        return !probe;
    }

    /// <summary>
    /// Learns from a reply; true when it needs the buyers to arm itself. A reply to a buyer's repeated click is its order or the limit, and
    /// changes nothing. A sale that is paused, over or not loaded has other answers for the buyers that the shield refuses.
    /// </summary>
    public bool Learn(ReserveReply reply)
    {
        var soldOut = false;
        foreach (var result in reply.Results)
        {
            soldOut |= result.Code == ReserveCode.SoldOut;
            if (result.Code is not (ReserveCode.SoldOut or ReserveCode.Accepted or ReserveCode.Duplicate or ReserveCode.LimitReached))
            {
                Open();
                return false;
            }
        }

        if (reply.StockLeft > 0)
        {
            Open();
            return false;
        }

        var armed = Volatile.Read(ref _armed);
        if (armed is null || armed.Epoch != reply.Epoch || armed.ReservedCount != reply.ReservedCount)
        {
            // Other buyers have bought since, or the counter has been loaded again.
            Open();
            return soldOut;
        }

        Volatile.Write(ref _confirmedAt, time.GetTimestamp());
        return false;
    }

    /// <summary>Arms the shield with the buyers as of <paramref name="reply"/> or later.</summary>
    public void Arm(ReserveReply reply, IReadOnlySet<long> buyers)
    {
        var now = time.GetTimestamp();
        Volatile.Write(ref _confirmedAt, now);
        Volatile.Write(ref _probedAt, now);
        Volatile.Write(ref _armed, new Armed(buyers, reply.Epoch, reply.ReservedCount));
    }

    public void Open() => Volatile.Write(ref _armed, null);
}
