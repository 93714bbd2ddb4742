using System.Collections.Concurrent;
using System.Text.Json;
using Seckill.Bench.InProcess;

namespace Seckill.Tests.Bench;

/// <summary>
/// All benchmarks of <c>./seckill bench process</c> run. Speed is not tested.
/// They have a process of their own, because memory is counted for the whole process.
/// </summary>
[Collection(nameof(ProcessRunTests))]
public sealed class ProcessRunTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("seckill-process-").FullName;
    private readonly ConcurrentQueue<string> _printed = [];

    [Fact]
    public async Task Every_benchmark_runs_and_is_reported()
    {
        Assert.Equal(0, await RunAsync("--dry"));
        Assert.Equal(["RequestBenchmarks", "MessageBenchmarks", "ReplyBenchmarks", "BatchBenchmarks"], _printed.Take(4));

        using var json = JsonDocument.Parse(
            await File.ReadAllBytesAsync(Path.Combine(_folder, ProcessReport.JsonFileName), TestContext.Current.CancellationToken));
        var results = json.RootElement.GetProperty("results").Deserialize(ProcessJson.Default.IReadOnlyListProcessResult)!;
        Assert.Equal(
            [
                "answer \"queued\"", "check a token", "check a token that is remembered", "decide a batch", "make an order id",
                "read a click's body", "read a reply of reserve.lua", "read a reply of settle.lua",
                "read and check a message (worker)", "the insert statements of a batch", "write a message's body (Api)",
            ],
            results.Select(result => result.Name).Distinct().Order(StringComparer.Ordinal));
        Assert.All(results, result => Assert.True(result.MedianNs > 0, result.Name));
        // Reading or writing an order allocates: without a number, memory would not be measured.
        Assert.All(results.Where(result => result.Orders > 1), result => Assert.True(result.AllocatedBytes > result.Orders, result.Name));
        Assert.Equal(2, results.Count(result => result.ToBaseline is not null));

        var lines = await File.ReadAllLinesAsync(
            Path.Combine(_folder, ProcessReport.MarkdownFileName), TestContext.Current.CancellationToken);
        Assert.Equal(results.Count + 2, lines.Length);
        Assert.All(lines, line => Assert.Equal(lines[0].Count(c => c == '|'), line.Count(c => c == '|')));
    }

    [Fact]
    public async Task A_benchmark_that_throws_is_an_error_not_a_missing_line()
    {
        Assert.Equal(1, await RunAsync("--dry", "--broken"));
        Assert.Contains(_printed, line => line.Contains(nameof(BrokenBenchmark.Throw), StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<int> RunAsync(params string[] options)
    {
        using var process = await ChildProcess.StartAsync(
            new ChildCommand(
                [LocalService.DotNet(), Repository.Assembly("Seckill.Bench"), "bench", "process", "--out", _folder, .. options], _folder)
            {
                InheritEnvironment = true,
                OnLine = _printed.Enqueue,
            });
        try
        {
            return await process.Exited.WaitAsync(TestContext.Current.CancellationToken);
        }
        finally
        {
            process.Kill();
        }
    }
}
