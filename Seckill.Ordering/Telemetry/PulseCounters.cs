namespace Seckill.Ordering.Telemetry;

/// <summary>The counters of a pulse, under the names of its fields.</summary>
public enum PulseCounter
{
    Requests,
    Accepted,
    Refused,
    Errors,
    Confirmed,
    Committed,
    Rejected,
}

/// <summary>
/// Counts for <see cref="InstancePulse"/>, in addition to the meter: a meter can be listened to but not read. Counting is one atomic
/// addition and allocates nothing.
/// </summary>
public sealed class PulseCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<PulseCounter>().Length];
    private readonly long[] _clickToCommit = new long[InstancePulse.LatencyUpperMs.Count + 1];

    public void Add(PulseCounter counter, long count = 1) => Interlocked.Add(ref _counts[(int)counter], count);

    /// <summary>Counts an order by the time from its reservation to its commit.</summary>
    public void AddClickToCommit(double milliseconds) => Interlocked.Increment(ref _clickToCommit[InstancePulse.BucketOf(milliseconds)]);

    public long Read(PulseCounter counter) => Interlocked.Read(ref _counts[(int)counter]);

    /// <summary>A copy of the buckets.</summary>
    public IReadOnlyList<long> ReadClickToCommit() => [.. _clickToCommit];
}
