namespace Seckill.Bench.Bench;

/// <summary>A ratio that the project has set itself, in one run on one machine.</summary>
/// <param name="Text">What is compared.</param>
/// <param name="Wanted">The least ratio.</param>
/// <param name="Ratio">Reads it from the medians; null when a part was not run.</param>
internal sealed record Target(string Text, double Wanted, Func<Recorder, double?> Ratio)
{
    public static readonly IReadOnlyList<Target> All =
    [
        new("accept with confirm : textbook without", 2, Rate(RouteStages.Accept, Contest.Textbook)),
        new("refuse : empty endpoint behind the same login", 0.9, Rate(RouteStages.Refuse, OtherStages.EmptyEndpoint)),
        new("refuse : textbook", 3, Rate(RouteStages.Refuse, Contest.Textbook)),
        new("write : textbook", 50, Rate(RouteStages.Write, Contest.Textbook)),
        new("write : multi-row insert alone, same batch size", 0.75, Rate(RouteStages.Write, "multi-row insert alone")),
        new("two workers : one", 1, recorder =>
            recorder.MedianOf(RouteStages.WritePair, Contest.Ours)?.PerSecond / recorder.MedianOf(RouteStages.WriteAlone, Contest.Ours)?.PerSecond),
        new("last order in MySQL: textbook's time : ours", 20, recorder =>
            recorder.MedianOf(HeadlineStage.Written, Contest.Textbook)?.Seconds / recorder.MedianOf(HeadlineStage.Written, Contest.Ours)?.Seconds),
        new("open loop: 3 x p99 of the empty endpoint (at least 20 ms) : p99 of accept", 1, recorder =>
            Math.Max(20, 3 * recorder.MedianOf(OtherStages.Open, OtherStages.EmptyEndpoint)?.P99Ms ?? 0) / recorder.MedianOf(OtherStages.Open, Contest.Ours)?.P99Ms),
    ];

    private static Func<Recorder, double?> Rate(string stage, string than) => recorder =>
        recorder.MedianOf(stage, Contest.Ours)?.PerSecond / recorder.MedianOf(stage, than)?.PerSecond;
}
