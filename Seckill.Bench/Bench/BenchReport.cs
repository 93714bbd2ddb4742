using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace Seckill.Bench.Bench;

/// <summary>The results as one table on the terminal, and as JSON with every round.</summary>
internal static class BenchReport
{
    public static Table Table(Recorder recorder)
    {
        var table = new Table().AsciiBorder();
        table.AddColumn("stage");
        foreach (var heading in (string[])["a second", "to ours", "p50 ms", "p99 ms", "p99.9 ms", "s", "CPU us each", "bytes each"])
        {
            table.AddColumn(new TableColumn(heading).RightAligned());
        }

        foreach (var stage in recorder.Stages)
        {
            table.AddRow(stage);
            var ours = recorder.MedianOf(stage, Contest.Ours);
            foreach (var contestant in recorder.ContestantsOf(stage))
            {
                var m = recorder.MedianOf(stage, contestant)!;
                var ratio = contestant == Contest.Ours ? "" : Number(m.PerSecond / ours?.PerSecond, "0.000");
                table.AddRow(
                    "  " + contestant, Number(m.PerSecond, "N0"), ratio, Number(m.P50Ms, "0.0"), Number(m.P99Ms, "0.0"),
                    Number(m.P999Ms, "0.0"), Number(m.Seconds, "0.00"), Number(m.CpuUs, "0.0"), Number(m.AllocatedBytes, "N0"));
            }
        }

        return table;
    }

    public static Table Targets(Recorder recorder)
    {
        var table = new Table().AsciiBorder();
        table.AddColumn("target");
        table.AddColumn(new TableColumn("wanted").RightAligned());
        table.AddColumn(new TableColumn("measured").RightAligned());
        table.AddColumn(new TableColumn("in the rounds").RightAligned());
        table.AddColumn("");
        foreach (var target in Target.All)
        {
            if (target.Ratios(recorder) is { Count: > 0 } rounds)
            {
                var ratio = MedianOf(rounds);
                table.AddRow(
                    target.Text, $">= {Number(target.Wanted, "0.##")}", Number(ratio, "0.00"),
                    rounds.Count == 1 ? "" : $"{Number(rounds.Min(), "0.00")} to {Number(rounds.Max(), "0.00")}",
                    ratio >= target.Wanted ? "met" : "missed");
            }
        }

        return table;
    }

    /// <summary>The slowest hundred orders of the last round, counted by the time that each hop took.</summary>
    public static Table Hops(IReadOnlyList<(string Hop, int[] Counts)> hops)
    {
        var table = new Table().AsciiBorder();
        table.AddColumn(HopStage.Slowest);
        foreach (var limit in HopStage.BucketMs)
        {
            table.AddColumn(new TableColumn($"< {Number(limit, "0")} ms").RightAligned());
        }

        table.AddColumn(new TableColumn("more").RightAligned());
        foreach (var (hop, counts) in hops)
        {
            table.AddRow([hop, .. counts.Select(count => Number(count, "0"))]);
        }

        return table;
    }

    public static async Task WriteJsonAsync(
        string file, Recorder recorder, BenchOptions options, string versions, CancellationToken cancellationToken)
    {
        var results = recorder.All.Select(entry => new ResultJson(entry.Stage, entry.Contestant, entry.Measurement)).ToArray();
        var targets = Target.All.Select(target => (target.Text, target.Wanted, Rounds: target.Ratios(recorder)))
            .Select(target => new TargetJson(target.Text, target.Wanted, MedianOf(target.Rounds), target.Rounds)).ToArray();
        var report = new ReportJson(
            DateTimeOffset.UtcNow, versions, Environment.ProcessorCount, options.Rounds, options.Round.TotalSeconds, options.Connections,
            options.BuyerCount, targets, results);
        await using var stream = File.Create(file);
        await JsonSerializer.SerializeAsync(stream, report, BenchJson.Default.ReportJson, cancellationToken);
    }

    private static double? MedianOf(IReadOnlyList<double> rounds) => Recorder.Median(rounds.Cast<double?>());

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}

internal sealed record ResultJson(string Stage, string Contestant, Measurement Measurement);

internal sealed record TargetJson(string Text, double Wanted, double? Measured, IReadOnlyList<double> Rounds);

internal sealed record ReportJson(
    DateTimeOffset At, string Versions, int Processors, int Rounds, double RoundSeconds, int Connections, int Buyers,
    IReadOnlyList<TargetJson> Targets, IReadOnlyList<ResultJson> Results);

[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ReportJson))]
internal sealed partial class BenchJson : JsonSerializerContext;
