using Seckill.Ordering.Telemetry;

namespace Seckill.Console.Pulse;

/// <summary>
/// Five minutes of seconds. Instances publish counters that only grow; the growth between two pulses of one instance is spread evenly over
/// the time between them, so that nothing is lost or counted twice when a pulse is late or missing, and the curves do not jitter with the
/// time of publishing.
/// </summary>
internal sealed class PulseRing(long startedMs)
{
    public const int SecondsMax = 300;

    /// <summary>The other slots hold seconds that are still open and seconds that have just left the picture.</summary>
    public const int DrawnSeconds = 290;

    public const int InstancesMax = 256;

    /// <summary>Seconds that pulses may still add to.</summary>
    public const int OpenSeconds = 2;

    private const int ForgottenAfterMs = 60_000;
    private const int ClockSkewMsMax = 5_000;

    private const int WindowSeconds = 5;
    private const int MinuteSeconds = 60;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Heard> _heard = [];
    private readonly Slot[] _slots = [.. Enumerable.Range(0, SecondsMax).Select(_ => new Slot())];

    private long _first = startedMs / 1_000;
    private Backlog _left;

    private sealed record Heard(InstancePulse Pulse, long ArrivedMs, double RatePerSecond);

    /// <summary>Adds one pulse. For a new instance only later growth counts, unless it started while we were listening.</summary>
    public void Take(InstancePulse pulse, long nowMs)
    {
        // A clock that is off would put its figures into the wrong seconds.
        var toMs = Math.Abs(pulse.AtMs - nowMs) > ClockSkewMsMax ? nowMs : pulse.AtMs;
        lock (_lock)
        {
            if (!_heard.TryGetValue(pulse.Instance, out var before) && _heard.Count >= InstancesMax)
            {
                return;
            }

            var same = before?.Pulse.StartedMs == pulse.StartedMs;
            if (same && pulse.AtMs <= before!.Pulse.AtMs)
            {
                return;
            }

            var rate = 0d;
            if (same || before is not null || pulse.StartedMs >= startedMs)
            {
                var growth = Growth.Between(same ? before!.Pulse : null, pulse);
                var fromMs = same ? toMs - (pulse.AtMs - before!.Pulse.AtMs) : Math.Max(pulse.StartedMs, toMs - MinuteSeconds * 1_000);
                Spread(growth, Math.Min(fromMs, toMs - 1), toMs, nowMs);
                rate = (pulse.Role == InstancePulse.Worker ? growth.Committed : growth.Requests) * 1_000d / Math.Max(1, toMs - fromMs);
            }

            SlotOf(toMs / 1_000, nowMs)?.SeeQueue(pulse.QueueReady);
            _heard[pulse.Instance] = new Heard(pulse, nowMs, rate);
        }
    }

    public LivePicture Draw(long nowMs)
    {
        lock (_lock)
        {
            foreach (var gone in _heard.Where(heard => nowMs - heard.Value.ArrivedMs > ForgottenAfterMs).Select(heard => heard.Key)
                .ToArray())
            {
                _heard.Remove(gone);
            }

            var last = nowMs / 1_000 - OpenSeconds;
            var first = Math.Max(startedMs / 1_000, last - DrawnSeconds + 1);
            Leave(first);
            var backlog = _left;
            var window = new long[Slot.BucketCount];
            var seconds = new List<LiveSecond>(DrawnSeconds);
            long? queue = null;
            for (var second = first; second <= last; second++)
            {
                var slot = Find(second);
                var growth = slot?.Growth ?? default;
                queue = slot?.QueueReady ?? queue;
                backlog = backlog.After(growth);
                var (p50, p99) = Percentiles(second - WindowSeconds + 1, second, window);
                seconds.Add(new LiveSecond(
                    second, growth.Requests, growth.Accepted, growth.Refused, growth.Errors, growth.Committed, growth.Rejected,
                    Math.Round(backlog.Waiting), queue, p50, p99));
            }

            var (minuteP50, minuteP99) = Percentiles(last - MinuteSeconds + 1, last + OpenSeconds, window);
            return new LivePicture(seconds, minuteP50, minuteP99, [.. _heard.Values.Select(heard => ToInstance(heard, nowMs))
                .OrderBy(instance => instance.Role, StringComparer.Ordinal).ThenBy(instance => instance.Instance, StringComparer.Ordinal)]);
        }
    }

    /// <summary>Orders that leave the picture on the left keep waiting.</summary>
    private void Leave(long first)
    {
        for (_first = Math.Max(_first, first - SecondsMax); _first < first; _first++)
        {
            _left = _left.After(Find(_first)?.Growth ?? default);
        }
    }

    private static LiveInstance ToInstance(Heard heard, long nowMs) => new(
        heard.Pulse.Instance, heard.Pulse.Role, nowMs - heard.ArrivedMs, heard.Pulse.StartedMs, heard.RatePerSecond,
        heard.Pulse.WorkingSetBytes, heard.Pulse.Health, heard.Pulse.Complaints);

    private void Spread(Growth growth, long fromMs, long toMs, long nowMs)
    {
        var span = (double)(toMs - fromMs);
        for (var second = fromMs / 1_000; second * 1_000 < toMs; second++)
        {
            var share = (Math.Min(toMs, (second + 1) * 1_000) - Math.Max(fromMs, second * 1_000)) / span;
            SlotOf(second, nowMs)?.Add(growth * share);
        }

        SlotOf((toMs - 1) / 1_000, nowMs)?.Add(growth.Latencies);
    }

    /// <summary>The slot to write to, emptied when it still contains an older second; null for a second that has left the ring.</summary>
    private Slot? SlotOf(long second, long nowMs)
    {
        if (second <= nowMs / 1_000 - SecondsMax + OpenSeconds)
        {
            return null;
        }

        var slot = _slots[second % SecondsMax];
        if (slot.Second < second)
        {
            slot.Reset(second);
        }

        return slot.Second == second ? slot : null;
    }

    private Slot? Find(long second) => second >= 0 && _slots[second % SecondsMax] is var slot && slot.Second == second ? slot : null;

    private (double? P50, double? P99) Percentiles(long first, long last, long[] counts)
    {
        Array.Clear(counts);
        for (var second = first; second <= last; second++)
        {
            Find(second)?.AddLatenciesTo(counts);
        }

        return (Percentile.Of(counts, 0.50), Percentile.Of(counts, 0.99));
    }
}
