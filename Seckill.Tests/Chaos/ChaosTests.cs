using Seckill.Bench.Chaos;
using Seckill.Ordering.Faults;

namespace Seckill.Tests.Chaos;

/// <summary>
/// A short chaos run, and proof that it would notice: each planted bug must be found. The long runs are made with <c>./seckill chaos</c>.
/// </summary>
[Collection(nameof(ChaosTests))]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int Seed = 7;
    private const int BuyersPerSecond = 60;
    private const int Concurrency = 24;

    private static readonly ChaosVerdict Clean = new(0, 0, 0, 0, 0, 0, 0, 0, 0);

    [Fact]
    public async Task Nothing_is_lost_doubled_or_leaked_while_everything_is_killed()
    {
        const int seconds = 30;
        var figures = await RunAsync(new ChaosOptions(seconds, Seed, BuyersPerSecond, Concurrency, ChaosOptions.KillsFor(seconds), Sabotage: null));

        Assert.Equal(Clean, figures.Verdict);
        Assert.All(Enum.GetValues<Component>(), component => Assert.InRange(figures.Kills[component], 2, 10));
        Assert.Contains(figures.Clicks, click => click.Queued);
    }

    [Fact]
    public async Task A_gate_without_an_outbox_is_found_to_lose_orders()
    {
        var verdict = (await RunAsync(Planted(Sabotage.NoOutbox))).Verdict;

        Assert.True(verdict.Lost > 0, $"{verdict}");
        Assert.True(verdict.Leaked > 0, $"{verdict}");
    }

    [Fact]
    public async Task A_worker_that_takes_a_redelivery_for_a_new_order_is_found_to_double_orders()
    {
        var verdict = (await RunAsync(Planted(Sabotage.NoIdempotency))).Verdict;

        // Doubled, and what collides with its double is lost: which of the two more often is chance.
        Assert.NotEqual(Clean, verdict);
    }

    [Fact]
    public async Task A_worker_that_acks_before_it_commits_is_found_to_lose_orders()
    {
        var verdict = (await RunAsync(Planted(Sabotage.AckBeforeCommit))).Verdict;

        Assert.NotEqual(Clean, verdict);
    }

    private static ChaosOptions Planted(string bug)
    {
        Assert.True(Sabotage.Possible, "The tests need a Debug build.");
        const int seconds = 6;
        return PlantedBug.Prepare(new ChaosOptions(seconds, Seed, BuyersPerSecond, Concurrency, KillsMin: 1, bug)) with { RestTimeoutMs = 8_000 };
    }

    private async Task<ChaosFigures> RunAsync(ChaosOptions options)
    {
        var file = Path.GetTempFileName();
        try
        {
            using var log = new ChaosLog(file);
            var figures = await new ChaosRun(options, log, output.WriteLine).ExecuteAsync(TestContext.Current.CancellationToken);
            output.WriteLine($"{figures.Versions}: {figures.Clicks.Count} clicks, {figures.Verdict}");
            return figures;
        }
        finally
        {
            foreach (var line in File.ReadLines(file).Where(line => line.Contains(" chaos ", StringComparison.Ordinal)).TakeLast(200))
            {
                output.WriteLine(line);
            }

            File.Delete(file);
        }
    }
}
