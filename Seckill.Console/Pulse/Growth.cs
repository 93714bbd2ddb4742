using Seckill.Ordering.Telemetry;

namespace Seckill.Console.Pulse;

/// <summary>The growth of an instance's counters between two pulses: clicks of an Api, orders of a worker.</summary>
internal readonly record struct Growth(
    double Requests, double Accepted, double Refused, double Errors, double Committed, double Rejected, IReadOnlyList<long>? Latencies)
{
    /// <param name="before">Null when the instance started with zeros.</param>
    /// <param name="after">The later pulse of the same start.</param>
    public static Growth Between(InstancePulse? before, InstancePulse after) => after.Role == InstancePulse.Worker
        ? new Growth(
            0, 0, 0, 0, Of(before?.Committed, after.Committed), Of(before?.Rejected, after.Rejected),
            [.. after.ClickToCommit.Select((count, bucket) => Of(before?.ClickToCommit[bucket], count))])
        : new Growth(
            Of(before?.Requests, after.Requests), Of(before?.Accepted, after.Accepted), Of(before?.Refused, after.Refused),
            Of(before?.Errors, after.Errors), 0, 0, null);

    public static Growth operator *(Growth growth, double share) => new(
        growth.Requests * share, growth.Accepted * share, growth.Refused * share, growth.Errors * share, growth.Committed * share,
        growth.Rejected * share, null);

    public static Growth operator +(Growth left, Growth right) => new(
        left.Requests + right.Requests, left.Accepted + right.Accepted, left.Refused + right.Refused, left.Errors + right.Errors,
        left.Committed + right.Committed, left.Rejected + right.Rejected, null);

    private static long Of(long? before, long after) => Math.Max(0, after - (before ?? 0));
}

/// <summary>Orders accepted but neither written nor refused, by the counters.</summary>
internal readonly record struct Backlog(double Balance, double Ahead, int QuietSeconds)
{
    /// <summary>
    /// The worker's pulse may come before the Api's, so the count may be below zero until the Api's pulse arrives.
    /// </summary>
    private const double AheadKeptEachSecond = 0.7;

    /// <summary>Orders that no counter will report any more (an instance was killed) must not wait in the picture for ever.</summary>
    private const int QuietSecondsUntilNoneWait = 10;

    public double Waiting => Math.Max(0, Balance);

    /// <summary>The backlog one second later.</summary>
    public Backlog After(Growth growth)
    {
        var quiet = growth is { Accepted: > 0 } or { Committed: > 0 } or { Rejected: > 0 } ? 0 : QuietSeconds + 1;
        if (quiet >= QuietSecondsUntilNoneWait)
        {
            return new Backlog(0, 0, quiet);
        }

        // Orders of other producers are written without having been accepted here: they must not hide long waits.
        var decided = growth.Committed + growth.Rejected;
        var ahead = Ahead * AheadKeptEachSecond + decided;
        return new Backlog(Math.Max(-ahead, Balance + growth.Accepted - decided), ahead, quiet);
    }
}

/// <summary>What all instances did in one second.</summary>
internal sealed class Slot
{
    /// <summary>One bucket per bound, and one above the last bound.</summary>
    public static readonly int BucketCount = InstancePulse.LatencyUpperMs.Count + 1;

    private readonly long[] _latencies = new long[BucketCount];

    public long Second { get; private set; } = -1;

    public Growth Growth { get; private set; }

    public long? QueueReady { get; private set; }

    public void Reset(long second)
    {
        (Second, Growth, QueueReady) = (second, default, null);
        Array.Clear(_latencies);
    }

    public void Add(Growth growth) => Growth += growth;

    public void Add(IReadOnlyList<long>? latencies)
    {
        for (var bucket = 0; bucket < Math.Min(latencies?.Count ?? 0, _latencies.Length); bucket++)
        {
            _latencies[bucket] += latencies![bucket];
        }
    }

    /// <summary>All workers see the same queue, so the highest value counts.</summary>
    public void SeeQueue(long? ready) => QueueReady = ready is null ? QueueReady : Math.Max(ready.Value, QueueReady ?? 0);

    public void AddLatenciesTo(long[] counts)
    {
        for (var bucket = 0; bucket < counts.Length; bucket++)
        {
            counts[bucket] += _latencies[bucket];
        }
    }
}

/// <summary>Computes a percentile from bucket counts.</summary>
internal static class Percentile
{
    /// <summary>Interpolated linearly within its bucket, ms; null without values. Above the last bound it is the last bound.</summary>
    public static double? Of(IReadOnlyList<long> counts, double share)
    {
        var total = counts.Sum();
        if (total == 0)
        {
            return null;
        }

        var rank = share * total;
        var bounds = InstancePulse.LatencyUpperMs;
        var below = 0L;
        for (var bucket = 0; bucket < counts.Count; bucket++)
        {
            if (counts[bucket] > 0 && below + counts[bucket] >= rank)
            {
                var lower = bucket == 0 ? 0 : bounds[Math.Min(bucket - 1, bounds.Count - 1)];
                var upper = bounds[Math.Min(bucket, bounds.Count - 1)];
                return lower + (upper - lower) * Math.Clamp((rank - below) / counts[bucket], 0, 1);
            }

            below += counts[bucket];
        }

        return bounds[^1];
    }
}
