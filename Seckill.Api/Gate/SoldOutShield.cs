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

    private readonly Lock _lock = new();
    private Armed? _armed;
    private long _openings;
    private long _confirmedAt;
    private long _probedAt;

    /// <summary>How often <see cref="Open"/> was called: a reply to an earlier question must not arm the shield again.</summary>
    public long Openings => Volatile.Read(ref _openings);

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
    /// Learns from a reply; true when it needs the buyers to arm itself. A reply to a buyer's repeated click is its order, the limit or
    /// that its number is used, and changes nothing. A sale that is paused, over or not loaded has other answers for the buyers whom the
    /// shield refuses.
    /// </summary>
    public bool Learn(ReserveReply reply)
    {
        var soldOut = false;
        foreach (var result in reply.Results)
        {
            soldOut |= result.Code == ReserveCode.SoldOut;
            if (result.Code is not (ReserveCode.SoldOut or ReserveCode.Accepted or ReserveCode.Duplicate or ReserveCode.NumberUsed
                or ReserveCode.LimitReached or ReserveCode.IdTaken or ReserveCode.Unreadable))
            {
                Disarm();
                return false;
            }
        }

        if (reply.StockLeft > 0)
        {
            Disarm();
            return false;
        }

        var armed = Volatile.Read(ref _armed);
        if (armed is null || armed.Epoch != reply.Epoch || armed.ReservedCount != reply.ReservedCount)
        {
            // Other buyers have bought since, or the counter has been loaded again.
            Disarm();
            return soldOut;
        }

        Volatile.Write(ref _confirmedAt, time.GetTimestamp());
        return false;
    }

    /// <summary>
    /// Arms the shield with the buyers as of <paramref name="reply"/> or later, unless it has been opened since Redis was asked: stock that
    /// was returned meanwhile may not be in the reply.
    /// </summary>
    /// <param name="reply">A reply that shows an empty counter.</param>
    /// <param name="buyers">Everyone with a reservation.</param>
    /// <param name="openings"><see cref="Openings"/> when the call was sent.</param>
    public void Arm(ReserveReply reply, IReadOnlySet<long> buyers, long openings)
    {
        lock (_lock)
        {
            if (openings == _openings)
            {
                var now = time.GetTimestamp();
                Volatile.Write(ref _confirmedAt, now);
                Volatile.Write(ref _probedAt, now);
                Volatile.Write(ref _armed, new Armed(buyers, reply.Epoch, reply.ReservedCount));
            }
        }
    }

    /// <summary>Stock has been returned, or the answer may be another one now: the next click queries Redis.</summary>
    public void Open()
    {
        lock (_lock)
        {
            _openings++;
            Disarm();
        }
    }

    private void Disarm() => Volatile.Write(ref _armed, null);
}
