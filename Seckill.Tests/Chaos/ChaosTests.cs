using Seckill.Bench.Chaos;
using Seckill.Ordering.Faults;

namespace Seckill.Tests.Chaos;

/// <summary>
/// A short chaos run, and the planted bug that only the death of a server reveals. Long runs are made with <c>./seckill chaos</c>.
/// </summary>
[Collection(nameof(ChaosTests))]
[Trait("Category", "Long")]
[Trait("Servers", "Newest")]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int Seconds = 30;
    private const int KillsMin = 2;

    [Fact(Explicit = true)]
    public async Task Nothing_is_lost_doubled_or_leaked_while_everything_is_killed_again_and_again()
    {
        var figures = await ShortChaos.RunAsync(ShortChaos.Options(Seconds, KillsMin), output);

        Assert.Equal(ShortChaos.Clean, figures.Verdict);
        Assert.All(Enum.GetValues<Component>(), component => Assert.InRange(figures.Kills[component], KillsMin, 10));
        Assert.Contains(figures.Clicks, click => click.Queued);
    }

    [Fact(Explicit = true)]
    public async Task A_gate_without_an_outbox_is_found_out()
    {
        var verdict = (await ShortChaos.RunAsync(ShortChaos.Planted(Sabotage.NoOutbox), output)).Verdict;

        Assert.True(verdict.Lost > 0, $"{verdict}");
    }
}

/// <summary>Proof that a run finds bugs: these planted ones are revealed by the death of a worker, so the servers can be shared.</summary>
[Collection(nameof(PlantedBugTests))]
[Trait("Category", "Long")]
[Trait("Servers", "Newest")]
public sealed class PlantedBugTests(SharedServers servers, ITestOutputHelper output)
{
    [Fact(Explicit = true)]
    public async Task A_worker_that_takes_a_redelivery_for_a_new_order_is_found_to_double_orders()
    {
        var verdict = (await RunAsync(Sabotage.NoIdempotency, SharedServers.NoIdempotency)).Verdict;

        // Some orders are doubled, and some that collide with their double are lost; the share of each is random.
        Assert.NotEqual(ShortChaos.Clean, verdict);
    }

    [Fact(Explicit = true)]
    public async Task A_worker_that_acks_before_it_commits_is_found_to_lose_orders()
    {
        var verdict = (await RunAsync(Sabotage.AckBeforeCommit, SharedServers.AckBeforeCommit)).Verdict;

        Assert.NotEqual(ShortChaos.Clean, verdict);
    }

    private Task<ChaosFigures> RunAsync(string bug, string name) => ShortChaos.RunAsync(
        ShortChaos.Planted(bug), output, (options, cancellationToken) => servers.StartAsync(name, options, cancellationToken));
}

internal static class ShortChaos
{
    private const int Seed = 7;
    private const int BuyersPerSecond = 60;
    private const int Concurrency = 24;
    private const int PlantedSeconds = 6;
    private const int PlantedRestTimeoutMs = 8_000;

    public static readonly ChaosVerdict Clean = new(0, 0, 0, 0, 0, 0, 0, 0, 0);

    public static ChaosOptions Options(int seconds, int killsMin, string? bug = null) =>
        new(seconds, Seed, BuyersPerSecond, Concurrency, killsMin, bug) { Settings = SystemUnderTest.Options().Settings };

    public static ChaosOptions Planted(string bug)
    {
        Assert.True(Sabotage.Possible, "The tests need a Debug build.");
        var options = PlantedBug.Prepare(Options(PlantedSeconds, killsMin: 1, bug));
        // Without the bug, the outbox is swept after seven seconds: an order is lost only if nobody has published it long after that.
        return bug == Sabotage.NoOutbox ? options : options with { RestTimeoutMs = PlantedRestTimeoutMs };
    }

    public static async Task<ChaosFigures> RunAsync(
        ChaosOptions options, ITestOutputHelper output,
        Func<LocalSystemOptions, CancellationToken, Task<LocalSystem>>? startServersAsync = null)
    {
        var file = Path.GetTempFileName();
        try
        {
            using var log = new ChaosLog(file);
            var figures = await new ChaosRun(options, log, output.WriteLine, startServersAsync)
                .ExecuteAsync(TestContext.Current.CancellationToken);
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
