using System.CommandLine;
using BenchmarkDotNet.Jobs;
using Perfolizer.Horology;
using Spectre.Console;

namespace Seckill.Bench.InProcess;

/// <summary>The command line of <c>bench process</c>.</summary>
internal static class ProcessCommand
{
    /// <summary>More than BenchmarkDotNet's "short" job has, whose three leave nothing to say on a shared machine.</summary>
    private const int IterationCount = 15;

    private const int WarmUpCount = 5;

    /// <summary>Short, so that the whole takes three minutes.</summary>
    private const int IterationMs = 200;

    /// <param name="folder">The option of <c>bench</c> for where files go.</param>
    public static Command Create(Option<string> folder)
    {
        var command = new Command("process", "Measures what happens inside one process, without servers, with BenchmarkDotNet.") { folder };
        command.SetAction((parsed, cancellationToken) => RunAsync(Path.GetFullPath(parsed.GetValue(folder)!), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string folder, CancellationToken cancellationToken)
    {
        var job = Job.Default
            .WithWarmupCount(WarmUpCount)
            .WithIterationCount(IterationCount)
            .WithIterationTime(TimeInterval.FromMilliseconds(IterationMs));
        var console = AnsiConsole.Console;
        var results = ProcessRun.Measure(job, folder, console.WriteLine, cancellationToken);
        await ProcessReport.WriteAsync(folder, results, cancellationToken);
        console.Profile.Width = Math.Max(console.Profile.Width, ProcessReport.WidthMin);
        console.Write(ProcessReport.Table(results));
        console.WriteLine($"{ProcessReport.JsonFileName}, {ProcessReport.MarkdownFileName} and {ProcessRun.LogFileName} are in {folder}");
        return 0;
    }
}
