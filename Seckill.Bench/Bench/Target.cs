namespace Seckill.Bench.Bench;

/// <summary>
/// A ratio that the project aims for. It is computed within each round, and the median of the rounds counts: on a machine whose speed
/// drifts, measurements taken one after the other compare better than the medians of two stages.
/// </summary>
/// <param name="Text">The two things compared.</param>
/// <param name="Wanted">The lowest ratio that meets the target; for an amount, the ratio is the amount divided by the measured one.</param>
/// <param name="Ratios">Computes it for each round; empty when a part was not run.</param>
internal sealed record Target(string Text, double Wanted, Func<Recorder, IReadOnlyList<double>> Ratios)
{
    private const double PipelineCpuUs = 12;
    private const double RefuseCpuUs = 18;
    private const double AcceptCpuUs = 40;
    private const double RefuseBytes = 4_000;
    private const double AcceptBytes = 8_000;
    private const double P50Ms = 8;
    private const double P99Ms = 25;

    private static readonly (string Stage, string Contestant) Empty = (RouteStages.Refuse, OtherStages.EmptyEndpoint);

    public static readonly IReadOnlyList<Target> All =
    [
        new("empty endpoint behind login and pipeline : bare Kestrel", 0.8, Between(Empty, Bare(RouteStages.Refuse), PerSecond)),
        new("refuse : bare Kestrel", 0.75, Between(Ours(RouteStages.Refuse), Bare(RouteStages.Refuse), PerSecond)),
        new("accept with confirm : bare Kestrel", 0.45, Between(Ours(RouteStages.Accept), Bare(RouteStages.Accept), PerSecond)),
        new("12 us : CPU of login and pipeline over bare Kestrel", 1, Between(Empty, Bare(RouteStages.Refuse), CpuOver(PipelineCpuUs))),
        new("18 us : CPU of a refusal over bare Kestrel", 1, Between(
            Ours(RouteStages.Refuse), Bare(RouteStages.Refuse), CpuOver(RefuseCpuUs))),
        new("40 us : CPU of an accepted order over bare Kestrel", 1, Between(
            Ours(RouteStages.Accept), Bare(RouteStages.Accept), CpuOver(AcceptCpuUs))),
        new("4,000 bytes : a refusal's", 1, Own(RouteStages.Refuse, refusal => RefuseBytes / refusal.AllocatedBytes)),
        new("8,000 bytes : an accepted order's", 1, Own(RouteStages.Accept, order => AcceptBytes / order.AllocatedBytes)),
        new("write : textbook", 50, Between(Ours(RouteStages.Write), (RouteStages.Write, Contest.Textbook), PerSecond)),
        new("write : multi-row insert alone, same batch size", 0.75, Between(
            Ours(RouteStages.Write), (RouteStages.Write, RouteStages.InsertAlone), PerSecond)),
        new("two workers : one, on one hot SKU", 1, Between(Ours(RouteStages.WritePair), Ours(RouteStages.WriteAlone), PerSecond)),
        new("accept, 1,000 SKUs : one", 0.85, Between(Ours(RouteStages.AcceptSpread), Ours(RouteStages.Accept), PerSecond)),
        new("write, 1,000 SKUs : one", 0.8, Between(Ours(RouteStages.WriteSpread), Ours(RouteStages.Write), PerSecond)),
        new("last order in MySQL: textbook's time : ours", 20, Between(
            (HeadlineStage.Written, Contest.Textbook), Ours(HeadlineStage.Written),
            (textbook, ours) => textbook.Seconds / ours.Seconds)),
        new("open loop: 8 ms : p50 of accept", 1, Own(OtherStages.Open, order => P50Ms / order.P50Ms)),
        new("open loop: 25 ms : p99 of accept", 1, Own(OtherStages.Open, order => P99Ms / order.P99Ms)),
    ];

    private static double? PerSecond(Measurement first, Measurement second) => first.PerSecond / second.PerSecond;

    /// <summary>Costing no more than bare Kestrel always meets the target.</summary>
    private static Func<Measurement, Measurement, double?> CpuOver(double microseconds) =>
        (first, bare) => first.CpuUs - bare.CpuUs is { } over ? (over > 0 ? microseconds / over : double.MaxValue) : null;

    private static Func<Recorder, IReadOnlyList<double>> Between(
        (string Stage, string Contestant) first, (string Stage, string Contestant) second,
        Func<Measurement, Measurement, double?> compare) => recorder => recorder.EachRound(first, second, compare);

    private static Func<Recorder, IReadOnlyList<double>> Own(string stage, Func<Measurement, double?> read) =>
        Between(Ours(stage), Ours(stage), (measured, _) => read(measured));

    private static (string Stage, string Contestant) Ours(string stage) => (stage, Contest.Ours);

    private static (string Stage, string Contestant) Bare(string stage) => (stage, RouteStages.EmptyApi);
}
