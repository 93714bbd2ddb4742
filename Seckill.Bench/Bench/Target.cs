namespace Seckill.Bench.Bench;

/// <summary>
/// A ratio that the project has set itself. It is taken within each round, and the median of the rounds counts: on a machine whose speed
/// drifts, what was measured one after the other has more in common than the medians of two stages have.
/// </summary>
/// <param name="Text">What is compared.</param>
/// <param name="Wanted">The least ratio.</param>
/// <param name="Ratios">Reads it from each round; empty when a part was not run.</param>
internal sealed record Target(string Text, double Wanted, Func<Recorder, IReadOnlyList<double>> Ratios)
{
    private const double P99MsFloor = 20;

    public static readonly IReadOnlyList<Target> All =
    [
        new("accept with confirm : textbook without", 2, Rate(RouteStages.Accept, Contest.Textbook)),
        new("refuse : empty endpoint behind the same login", 0.9, Rate(RouteStages.Refuse, OtherStages.EmptyEndpoint)),
        new("refuse : textbook", 3, Rate(RouteStages.Refuse, Contest.Textbook)),
        new("write : textbook", 50, Rate(RouteStages.Write, Contest.Textbook)),
        new("write : multi-row insert alone, same batch size", 0.75, Rate(RouteStages.Write, "multi-row insert alone")),
        new("two workers : one", 1, recorder => recorder.EachRound(
            (RouteStages.WritePair, Contest.Ours), (RouteStages.WriteAlone, Contest.Ours), (two, one) => two.PerSecond / one.PerSecond)),
        new("last order in MySQL: textbook's time : ours", 20, recorder => recorder.EachRound(
            (HeadlineStage.Written, Contest.Textbook), (HeadlineStage.Written, Contest.Ours),
            (textbook, ours) => textbook.Seconds / ours.Seconds)),
        new("open loop: 3 x p99 of the empty endpoint (at least 20 ms) : p99 of accept", 1, recorder => recorder.EachRound(
            (OtherStages.Open, OtherStages.EmptyEndpoint), (OtherStages.Open, Contest.Ours),
            (empty, ours) => Math.Max(P99MsFloor, 3 * empty.P99Ms ?? 0) / ours.P99Ms)),
    ];

    private static Func<Recorder, IReadOnlyList<double>> Rate(string stage, string than) => recorder =>
        recorder.EachRound((stage, Contest.Ours), (stage, than), (ours, other) => ours.PerSecond / other.PerSecond);
}
