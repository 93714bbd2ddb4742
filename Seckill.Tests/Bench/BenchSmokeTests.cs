using Seckill.Bench.Bench;
using Seckill.Bench.Load;
using Seckill.Bench.Textbook;

namespace Seckill.Tests.Bench;

/// <summary>
/// The benchmark runs and its books are right. Speed is not tested, so no measurement waits for a quiet machine.
/// </summary>
[Collection(nameof(BenchSmokeTests))]
public sealed class BenchSmokeTests(ITestOutputHelper output)
{
    private const int Units = 30;
    private const int Clicks = 300;
    private const int Backlog = 1_000;
    private const int LogLinesMax = 200;

    [Fact]
    public async Task Every_stage_runs_and_every_design_sells_exactly_its_stock()
    {
        var cancelled = TestContext.Current.CancellationToken;
        await using var log = new StringWriter();
        try
        {
            await using var system = await BenchSystem.StartAsync(log, cancelled, servers => servers.Patience());
            await RunStagesAsync(system, cancelled);
        }
        finally
        {
            foreach (var line in log.ToString().Split('\n').TakeLast(LogLinesMax))
            {
                output.WriteLine(line);
            }
        }
    }

    private static async Task RunStagesAsync(BenchSystem system, CancellationToken cancelled)
    {
        var options = new BenchOptions(1, TimeSpan.FromMilliseconds(300), 16, Clicks, Units, [], 1, Backlog, "");
        var contest = new Contest(system, new BenchSales(system), options, new Recorder(), Counts: false);

        // Each of these throws when accepted clicks and orders in MySQL differ, or when anything unexpected is answered.
        await RouteStages.AcceptAndWriteAsync(contest, cancelled);
        await RouteStages.RefuseAsync(contest, cancelled);
        await OtherStages.DatabaseAsync(contest, cancelled);
        await OtherStages.OpenLoopAsync(contest, cancelled);
        await ScaleStages.DepthAsync(contest, cancelled);
        var moments = await HeadlineStage.RunAsync(contest, cancelled);
        Assert.Equal([Units, Units], moments.Values.Select(found => found[^1].Written));
        Assert.Contains("<polyline", PeakPicture.Draw(moments[Contest.Ours], "sale"), StringComparison.Ordinal);

        foreach (var design in TextbookApi.DatabaseDesigns)
        {
            var sku = await contest.Sales.OpenTextbookAsync(Units, cancelled);
            var result = await contest.Load(await contest.DesignAsync(design, cancelled), HttpShop.OrderPath, sku)
                .ClosedAsync(Clicks, null, cancelled);
            Assert.Equal((Units, Clicks - Units), (result.Accepted, result.Refused));
            Assert.Equal(Units, await contest.Sales.SoldAsync([sku], Units, cancelled));
        }
    }
}
