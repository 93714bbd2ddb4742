using System.Diagnostics;

namespace Seckill.Bench.Load;

/// <summary>When the next request may go. Used by one thread.</summary>
/// <param name="started">When the load began, a <see cref="Stopwatch"/> timestamp.</param>
internal abstract class LoadPace(long started)
{
    /// <summary>How often a load that waits for answers looks whether it is cancelled.</summary>
    protected const int LookMs = 20;

    protected long Started { get; } = started;

    /// <summary>No request is to go any more.</summary>
    public abstract bool IsOver { get; }

    /// <summary>Takes a request that may go now.</summary>
    /// <param name="since">From when on its answer is waited for, a <see cref="Stopwatch"/> timestamp.</param>
    public abstract bool TryTake(out long since);

    /// <summary>How long to wait for answers at most before asking again what may go.</summary>
    /// <param name="anyIdle">Whether a connection is free to ask.</param>
    public abstract int WaitMs(bool anyIdle);
}

/// <summary>At once, for a time or a number of requests.</summary>
internal sealed class ClosedPace(long started, TimeSpan duration, long count) : LoadPace(started)
{
    private long _left = count;

    public override bool IsOver => _left == 0 || Stopwatch.GetElapsedTime(Started) >= duration;

    public override bool TryTake(out long since)
    {
        since = Stopwatch.GetTimestamp();
        if (IsOver)
        {
            return false;
        }

        _left--;
        return true;
    }

    public override int WaitMs(bool anyIdle) => LookMs;
}

/// <summary>
/// At a fixed rate, each when it is due and not before. How late one goes, by up to a millisecond, counts as latency, for every system
/// alike.
/// </summary>
/// <param name="started">When the load began, a <see cref="Stopwatch"/> timestamp.</param>
/// <param name="requestsPerSecond">Of all threads together.</param>
/// <param name="count">Requests of this thread.</param>
/// <param name="thread">Its number: of the requests of all it takes this one and each that is <paramref name="threadCount"/> later.</param>
/// <param name="threadCount">Threads that share the rate.</param>
internal sealed class OpenPace(long started, double requestsPerSecond, long count, int thread, int threadCount) : LoadPace(started)
{
    private readonly double _ticksEach = Stopwatch.Frequency / requestsPerSecond;
    private long _taken;

    public override bool IsOver => _taken == count;

    private long DueAt => Started + (long)(((_taken * threadCount) + thread) * _ticksEach);

    public override bool TryTake(out long since)
    {
        since = DueAt;
        if (IsOver || since > Stopwatch.GetTimestamp())
        {
            return false;
        }

        _taken++;
        return true;
    }

    public override int WaitMs(bool anyIdle) => anyIdle && !IsOver
        ? (int)Math.Clamp(Math.Ceiling(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), DueAt).TotalMilliseconds), 0, LookMs)
        : LookMs;
}
