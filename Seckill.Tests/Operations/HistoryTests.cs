using System.Diagnostics;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>
/// Random histories of one SKU over the real scripts, a real MySQL and the code that joins them, in two instances of the Api and two
/// workers: loads and their crashes, losses of Redis, stock added, terms changed. A failure prints the seed and the shortest history found;
/// <c>SECKILL_TEST_SEED</c> sets the first of the consecutive seeds.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class HistoryTests(OperationsFixture servers, ITestOutputHelper output)
{
    private const int Histories = 40;
    private const int HistoriesInLong = 200;

    /// <summary>More than the number of cores: a history mostly waits for its servers.</summary>
    private const int HistoriesAtOnce = 8;

    /// <summary>Consecutive seeds from the given one; the first that shows the fault is enough.</summary>
    private const int HistoriesForMutants = 24;

    private const int TriesToShorten = 80;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public Task No_history_breaks_a_promise() => RunAsync(Histories);

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    [Trait("Servers", "Newest")]
    public Task No_history_of_many_breaks_a_promise() => RunAsync(HistoriesInLong);

    /// <summary>Buyers restored without the lock were counted twice; a lane mistook two loads with the same epoch for one.</summary>
    [Theory]
    [InlineData(586)]
    [InlineData(1837)]
    public async Task A_history_that_broke_a_promise_once_breaks_none(int seed) =>
        Assert.Null(await FirstBrokenAsync(await servers.HistoryServersAsync(LedgerScripts.Load()), seed, count: 1));

    /// <summary>Script, what is wrong with it, the right text, the wrong text, the first of the seeds.</summary>
    public static TheoryData<string, string, string, string, int> Mutants { get; } = new()
    {
        { "warm", "sells what is under way", "tonumber(ARGV[1]) - held", "tonumber(ARGV[1])", 1 },
        { "warm", "deducts twice what MySQL has decided", "decided[ARGV[i]] = true", "", 1 },
        { "settle", "does not deduct what came after the load", "delta = delta - qty", "delta = delta", 40 },
        { "settle", "gives back to a counter that never gave", "elseif held then", "else", 68 },
        { "restore", "gives back no more than MySQL has", "if record and is_pending(record) then", "if false then", 1 },
        {
            "restore", "leaves alone whom Redis knows", "if not exact then units = math.max(units, tonumber(had or 0)) end",
            "units = tonumber(had or units)", 40
        },
    };

    [Theory]
    [MemberData(nameof(Mutants))]
    public async Task A_wrong_script_is_found(string script, string fault, string right, string wrong, int seed)
    {
        string Mutate(string name, string text)
        {
            Assert.True(name != script || text.Contains(right, StringComparison.Ordinal), $"{name}.lua does not have: {right}");
            return name == script ? text.Replace(right, wrong, StringComparison.Ordinal) : text;
        }

        var scripts = LedgerScripts.Load();
        var store = await servers.HistoryServersAsync(new LedgerScripts(
            scripts.Reserve, new(Mutate("settle", scripts.Settle.Text)), new(Mutate("warm", scripts.Warm.Text)), scripts.Due,
            new(Mutate("restore", scripts.Restore.Text))));
        var found = await FirstBrokenAsync(store, seed, HistoriesForMutants);
        output.WriteLine($"{script}.lua that {fault}: seed {found?.Seed}");
        Assert.True(found is not null, $"{script}.lua that {fault} went unnoticed");
    }

    private async Task RunAsync(int count)
    {
        var first = TestSeed.Take(1);
        var store = await servers.HistoryServersAsync(LedgerScripts.Load());
        var found = await FirstBrokenAsync(store, first, count);
        if (found is { } broken)
        {
            var (history, exception) = await ShortenAsync(store, History.Random(broken.Seed), broken.Exception);
            Assert.Fail($"Seed {broken.Seed}, {history.Print()}{Environment.NewLine}{exception}");
        }
    }

    private async Task<(int Seed, Exception Exception)?> FirstBrokenAsync(HistoryServers store, int first, int count)
    {
        (int Seed, Exception Exception)? found = null;
        var started = Stopwatch.GetTimestamp();
        var options = new ParallelOptions { MaxDegreeOfParallelism = HistoriesAtOnce, CancellationToken = Cancelled };
        await Parallel.ForEachAsync(Enumerable.Range(first, count), options, async (seed, cancellationToken) =>
        {
            if (found is null && await RunAsync(store, History.Random(seed), cancellationToken) is { } exception)
            {
                found = (seed, exception);
            }
        });
        output.WriteLine($"{count} histories in {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
        return found;
    }

    private static async Task<Exception?> RunAsync(HistoryServers store, History history, CancellationToken cancellationToken)
    {
        var exception = await Record.ExceptionAsync(() => HistoryMachine.RunAsync(store, history, cancellationToken));
        cancellationToken.ThrowIfCancellationRequested();
        return exception;
    }

    /// <summary>Leaves out unnecessary steps.</summary>
    private static async Task<(History History, Exception Exception)> ShortenAsync(
        HistoryServers store, History history, Exception exception)
    {
        for (var (tries, at) = (0, history.Steps.Count - 1); at >= 0 && tries < TriesToShorten; tries++, at--)
        {
            var shorter = history with { Steps = [.. history.Steps.Take(at), .. history.Steps.Skip(at + 1)] };
            if (await RunAsync(store, shorter, Cancelled) is { } still)
            {
                (history, exception) = (shorter, still);
            }
        }

        return (history, exception);
    }
}
