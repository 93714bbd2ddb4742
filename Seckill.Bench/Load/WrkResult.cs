using System.Globalization;
using System.Text.RegularExpressions;

namespace Seckill.Bench.Load;

/// <summary>The figures that <c>wrk</c> has printed.</summary>
/// <param name="PerSecond">Answers of any status, per second.</param>
/// <param name="P50Ms">Latency, ms.</param>
/// <param name="P99Ms">Latency, ms.</param>
/// <param name="Answered">Answers of any status.</param>
public sealed partial record WrkResult(double PerSecond, double P50Ms, double P99Ms, long Answered)
{
    /// <summary>Reads its output; null when a figure is missing.</summary>
    public static WrkResult? Parse(string output)
    {
        var (rate, count) = (Rate().Match(output), Count().Match(output));
        return rate.Success && count.Success && Latency("50%") is { } p50 && Latency("99%") is { } p99
            ? new WrkResult(Number(rate.Groups[1]), p50, p99, (long)Number(count.Groups[1]))
            : null;

        double? Latency(string percent) => Percentiles().Matches(output).FirstOrDefault(line => line.Groups[1].Value == percent) is { } line
            ? Number(line.Groups[2]) * (line.Groups[3].Value switch { "us" => 0.001, "ms" => 1, "s" => 1_000, _ => 60_000 })
            : null;
    }

    private static double Number(Group digits) => double.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Rate();

    [GeneratedRegex(@"(\d+) requests in")]
    private static partial Regex Count();

    [GeneratedRegex(@"^\s+(\d+%)\s+([\d.]+)(us|ms|s|m)\s*$", RegexOptions.Multiline)]
    private static partial Regex Percentiles();
}
