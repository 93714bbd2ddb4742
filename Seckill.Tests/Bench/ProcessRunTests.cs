using System.Text.Json;
using BenchmarkDotNet.Jobs;
using Seckill.Bench.InProcess;

namespace Seckill.Tests.Bench;

/// <summary>The benchmarks inside one process run, each of them; how fast anything is, is no test's business. Alone, because memory is counted for the whole process.</summary>
[Collection(nameof(BenchSmokeTests))]
public sealed class ProcessRunTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("seckill-process-").FullName;

    [Fact]
    public async Task Every_benchmark_runs_and_is_reported()
    {
        var finished = new List<string>();
        var results = ProcessRun.Measure(Job.Dry, _folder, finished.Add, TestContext.Current.CancellationToken);

        Assert.Equal(["RequestBenchmarks", "MessageBenchmarks", "ReplyBenchmarks", "BatchBenchmarks"], finished);
        Assert.Equal(
            [
                "answer \"queued\"", "check a token", "check a token that is remembered", "decide a batch", "make an order id", "read a click's body",
                "read a reply of reserve.lua", "read a reply of settle.lua", "read and check a message (worker)", "the insert statements of a batch",
                "write a message's body (Api)",
            ],
            results.Select(result => result.Name).Distinct().Order(StringComparer.Ordinal));
        Assert.All(results, result => Assert.True(result.MedianNs > 0, result.Name));
        // Whoever reads or writes an order allocates: without a number there, memory is not measured.
        Assert.All(results.Where(result => result.Orders > 1), result => Assert.True(result.AllocatedBytes > result.Orders, result.Name));
        Assert.Equal(2, results.Count(result => result.ToBaseline is not null));

        await ProcessReport.WriteAsync(_folder, results, TestContext.Current.CancellationToken);
        using var json = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(_folder, ProcessReport.JsonFileName), TestContext.Current.CancellationToken));
        Assert.Equal(results.Count, json.RootElement.GetProperty("results").GetArrayLength());
        var lines = await File.ReadAllLinesAsync(Path.Combine(_folder, ProcessReport.MarkdownFileName), TestContext.Current.CancellationToken);
        Assert.Equal(results.Count + 2, lines.Length);
        Assert.All(lines, line => Assert.Equal(lines[0].Count(c => c == '|'), line.Count(c => c == '|')));
    }

    [Fact]
    public void A_benchmark_that_throws_is_an_error_not_a_missing_line()
    {
        var exception = Assert.Throws<InvalidOperationException>(
            () => ProcessRun.Measure([typeof(Broken)], Job.Dry, _folder, _ => { }, TestContext.Current.CancellationToken));
        Assert.Contains(nameof(Broken.Throw), exception.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public class Broken
    {
        [BenchmarkDotNet.Attributes.Benchmark]
        public int Throw() => throw new NotSupportedException();
    }
}
