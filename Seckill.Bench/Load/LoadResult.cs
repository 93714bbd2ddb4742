using System.Runtime.InteropServices;
using HdrHistogram;

namespace Seckill.Bench.Load;

/// <summary>The result of a load.</summary>
/// <param name="Accepted">Replies with 200.</param>
/// <param name="Refused">Replies with 400: sold out, in a benchmark.</param>
/// <param name="Other">Any other status; none is expected.</param>
/// <param name="Elapsed">From the first request to the last reply.</param>
/// <param name="LatenciesUs">Microseconds; in an open loop counted from when a request was due.</param>
public sealed record LoadResult(
    long Accepted, long Refused, IReadOnlyDictionary<int, long> Other, TimeSpan Elapsed, LongHistogram LatenciesUs)
{
    public long Answered => Accepted + Refused + Other.Values.Sum();

    public double AcceptedPerSecond => Accepted / Elapsed.TotalSeconds;

    public double RefusedPerSecond => Refused / Elapsed.TotalSeconds;

    /// <summary>Milliseconds.</summary>
    public double LatencyMs(double percentile) => LatenciesUs.GetValueAtPercentile(percentile) / 1_000.0;
}

/// <summary>One thread's own counts.</summary>
internal sealed class LoadCounts
{
    private const long LatencyUsMax = 600_000_000;

    private readonly Dictionary<int, long> _byStatus = [];
    private readonly LongHistogram _latencies = new(1, LatencyUsMax, 3);

    public void Add(int status, double latencyUs)
    {
        CollectionsMarshal.GetValueRefOrAddDefault(_byStatus, status, out _)++;
        _latencies.RecordValue(Math.Clamp((long)latencyUs, 1, LatencyUsMax));
    }

    public static LoadResult Sum(IReadOnlyList<LoadCounts> counts, TimeSpan elapsed)
    {
        var latencies = new LongHistogram(1, LatencyUsMax, 3);
        var byStatus = new Dictionary<int, long>();
        foreach (var one in counts)
        {
            latencies.Add(one._latencies);
            foreach (var (status, count) in one._byStatus)
            {
                byStatus[status] = byStatus.GetValueOrDefault(status) + count;
            }
        }

        _ = byStatus.Remove(200, out var accepted);
        _ = byStatus.Remove(400, out var refused);
        return new LoadResult(accepted, refused, byStatus, elapsed, latencies);
    }
}
