namespace Seckill.Ordering.Holding;

/// <summary>
/// Determines which messages have passed through the queue and the workers' hands. A message is in one of them. So if the queue was seen
/// empty, and later no worker holds anything that it picked up before that moment, everything that came before it has passed. Moments are
/// those of <see cref="TimeProvider.GetTimestamp"/>.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="margin">Maximum time from a message's delivery to the worker's report of it.</param>
public sealed class QueuePassage(TimeProvider time, TimeSpan margin)
{
    private readonly Lock _lock = new();
    private long? _emptyAt;
    private long? _throughUntil;

    /// <summary>Everything that came before this moment has passed; null when no such moment is known.</summary>
    public long? ThroughUntil
    {
        get
        {
            lock (_lock)
            {
                return _throughUntil;
            }
        }
    }

    /// <summary>Records that the queue was empty.</summary>
    /// <param name="askedAt">A moment before the broker was queried.</param>
    /// <param name="workers">Consumers of the queue, as the broker counts them.</param>
    /// <param name="holdings">The workers' reports, read after that; null if unknown.</param>
    public void NoteEmpty(long askedAt, long workers, Holdings? holdings)
    {
        lock (_lock)
        {
            if (_emptyAt is { } emptyAt && holdings?.Workers >= workers && time.GetElapsedTime(emptyAt) - holdings.OldestAge > margin)
            {
                (_throughUntil, _emptyAt) = (emptyAt, null);
            }

            _emptyAt ??= askedAt;
        }
    }

    /// <summary>Discards earlier observations: a message that had been picked up may come out of the queue again.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _emptyAt = null;
        }
    }
}
