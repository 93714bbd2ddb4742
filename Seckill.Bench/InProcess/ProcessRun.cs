using System.Globalization;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Seckill.Bench.InProcess;

/// <summary>The result of one benchmark; times and bytes are per call.</summary>
/// <param name="Name">What is measured.</param>
/// <param name="Parameters">Its sizes; empty for none.</param>
/// <param name="Orders">Orders in one call.</param>
/// <param name="MedianNs">The middle iteration, ns.</param>
/// <param name="LeastNs">The fastest iteration, ns.</param>
/// <param name="MostNs">The slowest iteration, ns.</param>
/// <param name="ToBaseline">Ratio of its fastest iteration to the baseline's, as the fastest are least disturbed by other work. Null where
/// there is no baseline.</param>
/// <param name="AllocatedBytes">Managed memory, bytes.</param>
internal sealed record ProcessResult(
    string Name, string Parameters, int Orders, double MedianNs, double LeastNs, double MostNs, double? ToBaseline, long AllocatedBytes);

/// <summary>
/// Runs every benchmark of this folder in this process. BenchmarkDotNet's default, a generated project that is built and started for
/// each, would inherit this repository's strict build settings, which its generated code does not meet.
/// </summary>
internal static class ProcessRun
{
    public const string LogFileName = "process.log";

    public static readonly IReadOnlyList<Type> Benchmarks =
        [typeof(RequestBenchmarks), typeof(MessageBenchmarks), typeof(ReplyBenchmarks), typeof(BatchBenchmarks)];

    /// <summary>Measures the benchmarks of these classes; takes minutes with any job but a dry one.</summary>
    /// <param name="benchmarks">The classes.</param>
    /// <param name="job">The number and length of iterations.</param>
    /// <param name="folder">Gets BenchmarkDotNet's log.</param>
    /// <param name="tell">Gets the progress.</param>
    /// <param name="cancellationToken">Checked between two classes.</param>
    /// <exception cref="InvalidOperationException">A benchmark did not run; the message names it.</exception>
    public static IReadOnlyList<ProcessResult> Measure(
        IReadOnlyList<Type> benchmarks, Job job, string folder, Action<string> tell, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        using var log = new StreamLogger(Path.Combine(folder, LogFileName), append: false);
        var config = ManualConfig.CreateEmpty()
            .AddJob(job.WithToolchain(InProcessEmitToolchain.Instance))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddLogger(log)
            .WithArtifactsPath(folder)
            .AddLogicalGroupRules(BenchmarkLogicalGroupRule.ByCategory)
            // A test may run them unoptimised; ./seckill measures a Release build.
            .WithOptions(ConfigOptions.DisableOptimizationsValidator | ConfigOptions.DisableLogFile);
        var results = new List<ProcessResult>();
        foreach (var type in benchmarks)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var summary = BenchmarkRunner.Run(type, config);
            if (summary.HasCriticalValidationErrors || summary.Reports.Length == 0)
            {
                throw new InvalidOperationException(
                    $"{type.Name} did not run: {string.Join("; ", summary.ValidationErrors.Select(error => error.Message))}");
            }

            results.AddRange(summary.Reports.Select(report => ResultOf(report, summary)));
            tell(type.Name);
        }

        return results;
    }

    private static ProcessResult ResultOf(BenchmarkReport report, Summary summary)
    {
        var benchmark = report.BenchmarkCase;
        var statistics = report.ResultStatistics
            ?? throw new InvalidOperationException($"{benchmark.Descriptor.DisplayInfo} produced no result; {LogFileName} says why.");
        var orders = benchmark.Parameters.Items.FirstOrDefault(item => item.Name == nameof(MessageBenchmarks.Orders))?.Value as int? ?? 1;
        var sizes = benchmark.Parameters.Items.Select(
            item => string.Create(CultureInfo.InvariantCulture, $"{item.Name.ToLowerInvariant()} {item.Value}"));
        var baseline =
            summary.GetBaseline(summary.GetLogicalGroupKey(benchmark)) is { } usual ? summary[usual]?.ResultStatistics?.Min : null;
        return new ProcessResult(
            benchmark.Descriptor.WorkloadMethodDisplayInfo.Trim('\''), string.Join(", ", sizes), orders, statistics.Median, statistics.Min,
            statistics.Max, statistics.Min / baseline, report.GcStats.GetBytesAllocatedPerOperation(benchmark) ?? 0);
    }
}
