using System.CommandLine;
using BenchmarkDotNet.Jobs;
using Perfolizer.Horology;
using Spectre.Console;

namespace Seckill.Bench.InProcess;

/// <summary>The command line of <c>bench process</c>.</summary>
internal static class ProcessCommand
{
    /// <summary>BenchmarkDotNet's "short" job has three, too few to say anything on a shared machine.</summary>
    private const int IterationCount = 15;

    private const int WarmUpCount = 5;

    /// <summary>Short, so that the whole run takes three minutes.</summary>
    private const int IterationMs = 200;

    private static readonly Option<bool> Dry =
        new("--dry") { Hidden = true, Description = "Runs each benchmark once, to check that it works." };
    private static readonly Option<bool> Broken =
        new("--broken") { Hidden = true, Description = "Plants a benchmark that throws, which must end the run with an error." };

    /// <param name="folder">The option of <c>bench</c> for where files go.</param>
    public static Command Create(Option<string> folder)
    {
        var command = new Command(
            "process", "Measures what happens inside one process, without servers, with BenchmarkDotNet.") { folder, Dry, Broken };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            Path.GetFullPath(parsed.GetValue(folder)!), parsed.GetValue(Dry), parsed.GetValue(Broken), cancellationToken));
        return command;
    }

    /// <summary>Exit codes: 0 measured; 1 a benchmark did not run.</summary>
    private static async Task<int> RunAsync(string folder, bool dry, bool broken, CancellationToken cancellationToken)
    {
        var job = dry
            ? Job.Dry
            : Job.Default
                .WithWarmupCount(WarmUpCount)
                .WithIterationCount(IterationCount)
                .WithIterationTime(TimeInterval.FromMilliseconds(IterationMs));
        var console = AnsiConsole.Console;
        IReadOnlyList<ProcessResult> results;
        try
        {
            results = ProcessRun.Measure(
                broken ? [typeof(BrokenBenchmark)] : ProcessRun.Benchmarks, job, folder, console.WriteLine, cancellationToken);
        }
        catch (InvalidOperationException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 1;
        }

        await ProcessReport.WriteAsync(folder, results, cancellationToken);
        console.Profile.Width = Math.Max(console.Profile.Width, ProcessReport.WidthMin);
        console.Write(ProcessReport.Table(results));
        console.WriteLine($"{ProcessReport.JsonFileName}, {ProcessReport.MarkdownFileName} and {ProcessRun.LogFileName} are in {folder}");
        return 0;
    }
}
