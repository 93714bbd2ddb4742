using Seckill.Bench.Load;

namespace Seckill.Bench.Bench;

/// <summary>The result of one contestant in one round of one stage.</summary>
/// <param name="PerSecond">
/// The rate that the stage measures, per second: accepted orders, refusals, or orders committed in MySQL; null where it has none.
/// </param>
/// <param name="P50Ms">Latency, ms; null where none is measured.</param>
/// <param name="P99Ms">Latency, ms.</param>
/// <param name="P999Ms">Latency, ms.</param>
/// <param name="Seconds">The duration that the stage measures, s; null where it has none.</param>
/// <param name="CpuUs">Processor time of the contestant's own process for each request or order, microseconds.</param>
/// <param name="AllocatedBytes">Managed memory allocated for each request, bytes; only of the Api.</param>
internal sealed record Measurement(
    double? PerSecond, double? P50Ms = null, double? P99Ms = null, double? P999Ms = null, double? Seconds = null, double? CpuUs = null,
    double? AllocatedBytes = null)
{
    public static Measurement Of(double perSecond, LoadResult load) =>
        new(perSecond, load.LatencyMs(50), load.LatencyMs(99), load.LatencyMs(99.9));
}

/// <summary>All rounds' measurements.</summary>
internal sealed class Recorder
{
    private readonly List<(string Stage, string Contestant, Measurement Measurement)> _all = [];

    public IReadOnlyList<(string Stage, string Contestant, Measurement Measurement)> All => _all;

    public IEnumerable<string> Stages => _all.Select(entry => entry.Stage).Distinct();

    public void Add(string stage, string contestant, Measurement measurement) => _all.Add((stage, contestant, measurement));

    public IEnumerable<string> ContestantsOf(string stage) =>
        _all.Where(entry => entry.Stage == stage).Select(entry => entry.Contestant).Distinct();

    /// <summary>Rounds so far.</summary>
    public int CountOf(string stage, string contestant) => RoundsOf((stage, contestant)).Count();

    /// <summary>The median of each figure over the rounds; null when the contestant did not run.</summary>
    public Measurement? MedianOf(string stage, string contestant)
    {
        var rounds = RoundsOf((stage, contestant)).ToList();
        return rounds.Count == 0
            ? null
            : new Measurement(
                Median(rounds.Select(m => m.PerSecond)), Median(rounds.Select(m => m.P50Ms)),
                Median(rounds.Select(m => m.P99Ms)),
                Median(rounds.Select(m => m.P999Ms)), Median(rounds.Select(m => m.Seconds)), Median(rounds.Select(m => m.CpuUs)),
                Median(rounds.Select(m => m.AllocatedBytes)));
    }

    /// <summary>
    /// The ratios of the n-th measurements of two contestants; a stage measures each once a round. Empty when either did not run.
    /// </summary>
    public IReadOnlyList<double> EachRound(
        (string Stage, string Contestant) first, (string Stage, string Contestant) second,
        Func<Measurement, Measurement, double?> compare) =>
        [.. RoundsOf(first).Zip(RoundsOf(second), compare).OfType<double>()];

    private IEnumerable<Measurement> RoundsOf((string Stage, string Contestant) of) =>
        _all.Where(entry => (entry.Stage, entry.Contestant) == of).Select(entry => entry.Measurement);

    /// <summary>The middle one, or the mean of the middle two; null for none.</summary>
    public static double? Median(IEnumerable<double?> values)
    {
        var sorted = values.OfType<double>().Order().ToList();
        return sorted.Count == 0 ? null
            : sorted.Count % 2 == 1 ? sorted[sorted.Count / 2]
            : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }
}
