using System.Diagnostics;

namespace Seckill.Bench.Load;

/// <summary>Decides when the next request may be sent. Used by one thread.</summary>
/// <param name="started">When the load began, a <see cref="Stopwatch"/> timestamp.</param>
internal abstract class LoadPace(long started)
{
    /// <summary>How often a load that waits for answers checks for cancellation.</summary>
    protected const int LookMs = 20;

    protected long Started { get; } = started;

    /// <summary>No more requests are to be sent.</summary>
    public abstract bool IsOver { get; }

    /// <summary>Takes a request that may be sent now.</summary>
    /// <param name="since">Time from which its latency counts, a <see cref="Stopwatch"/> timestamp.</param>
    public abstract bool TryTake(out long since);

    /// <summary>Maximum wait for answers before the next check for due requests.</summary>
    /// <param name="anyIdle">Whether a connection is free.</param>
    public abstract int WaitMs(bool anyIdle);
}

/// <summary>No pause between requests, for a time or a number of requests.</summary>
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
/// At a fixed rate, never early. Sending late, by up to a millisecond, counts as latency, for every system
/// alike.
/// </summary>
/// <param name="started">When the load began, a <see cref="Stopwatch"/> timestamp.</param>
/// <param name="requestsPerSecond">Total of all threads.</param>
/// <param name="count">Requests of this thread.</param>
/// <param name="thread">Its index: it takes the request of that number and every <paramref name="threadCount"/>th after it.</param>
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
