namespace Seckill.Ordering.Holding;

/// <summary>
/// Determines which messages have gone through the queue and the workers' hands. A message is in one of them, so when the queue was seen
/// empty and later no worker holds anything that it picked up before that moment, all that came before it is through. Moments are those of
/// <see cref="TimeProvider.GetTimestamp"/>.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="margin">Maximum time from a message's delivery to the worker's report of it.</param>
public sealed class QueuePassage(TimeProvider time, TimeSpan margin)
{
    private readonly Lock _lock = new();
    private long? _emptyAt;
    private long? _throughUntil;

    /// <summary>Everything that came before this moment is through; null when that is not known of any moment.</summary>
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

    /// <summary>The queue was empty.</summary>
    /// <param name="askedAt">Before the broker was asked.</param>
    /// <param name="workers">Consumers at the queue, as the broker counts them.</param>
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

    /// <summary>Earlier observations no longer count: a message that had been picked up may come out of the queue again.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _emptyAt = null;
        }
    }
}
