using System.Diagnostics;

namespace Seckill.Tests.Faults;

/// <summary>
/// The previous release's own binaries beside today's on the same servers under load: nothing is lost or doubled, and no unit is sold
/// twice or forgotten.
/// </summary>
[Trait("Category", "Long")]
[Trait("Servers", "Newest")]
public sealed class RollingUpgradeTests(PreviousRelease previous, SharedServers shared, ITestOutputHelper output)
    : IClassFixture<PreviousRelease>
{
    private const int UnitsEach = 1_000;
    private const int ClicksAtOnce = 150;
    private const int SoldOutWithinMs = 120_000;
    private const int RepeatsMax = 200;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    /// <summary>The upgrade order that docs/recovery.md requires.</summary>
    [Fact(Explicit = true)]
    public Task Workers_first() => UpgradeAsync(SharedServers.WorkersFirst, async upgrade =>
    {
        await upgrade.StartNewWorkerAsync();
        await upgrade.AddStockAsync();
        await upgrade.EndOldWorkerAsync();
        await upgrade.StartNewApiAsync();
        await upgrade.AddStockAsync();
        await upgrade.DieAsync(upgrade.NewApi);
        await upgrade.DieAsync(upgrade.OldApi);
        await upgrade.AddStockAsync();
        await upgrade.EndOldApiAsync();
    });

    /// <summary>An Api started too early waits for the tables and does no harm.</summary>
    [Fact(Explicit = true)]
    public Task Api_first() => UpgradeAsync(SharedServers.ApiFirst, async upgrade =>
    {
        await upgrade.StartNewApiTooEarlyAsync();
        await upgrade.StartNewWorkerAsync();
        await upgrade.ServeThroughNewApiAsync();
        await upgrade.AddStockAsync();
        await upgrade.EndOldWorkerAsync();
        await upgrade.EndOldApiAsync();
    });

    private async Task UpgradeAsync(string name, Func<Upgrade, Task> run)
    {
        Assert.SkipUnless(await PreviousRelease.IsKnownAsync(_cancellation), "needs the whole history: git fetch --unshallow");
        await using var releases = new TwoReleases(shared, name);
        await releases.InitializeAsync();
        await using var upgrade = await Upgrade.BeginAsync(releases, await previous.BuiltAsync(), UnitsEach, output, _cancellation);
        var sale = upgrade.Sale;
        await run(upgrade);
        await upgrade.EndLoadAsync();

        await SellOutAsync(releases, sale);
        await sale.RepeatUnansweredAsync();
        // A repeated click gets the order that the other release accepted.
        await sale.SendAsync([.. sale.Queued.Keys.Take(RepeatsMax)]);
        Assert.All(sale.Refused.Values, reason => Assert.Equal("sold out", reason));
        var outcomes = await sale.OutcomesAsync();
        Assert.Equal(sale.Queued.Count, outcomes.GetValueOrDefault("SUCCESS"));
        await sale.AssertConservedAsync(outcomes);
        Assert.All(await Task.WhenAll(sale.Skus.Select(sale.StoreStockAsync)), stock => Assert.Equal(0, stock));
        output.WriteLine($"{outcomes["SUCCESS"]} orders");
    }

    private static async Task SellOutAsync(FaultSystem faults, SaleOnTrial sale)
    {
        var started = Stopwatch.GetTimestamp();
        while ((await Task.WhenAll(sale.Skus.Select(sale.GateStockAsync))).Any(stock => stock > 0))
        {
            Assert.True(Stopwatch.GetElapsedTime(started).TotalMilliseconds < SoldOutWithinMs, $"Not sold out.\n{faults.System.Log}");
            await sale.RushAsync(ClicksAtOnce, quantity: 1);
        }
    }
}
