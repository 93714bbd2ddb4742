using System.Reflection;
using Seckill.Ordering.Faults;

namespace Seckill.Tests.Faults;

/// <summary>
/// At every named point a process really dies by SIGKILL, twice: the first armed process when it first passes the point, and its successor
/// when it passes for the third time, in the middle of the recovery. A third process, unarmed, then has to finish everything. That process
/// is armed while it runs, and is the first one to die at the next point.
/// </summary>
public abstract class CrashPointTests(FaultSystem faults)
{
    private const int KilledExitCode = 128 + 9;
    private const int DeathTimeoutMs = 60_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    /// <summary>The points of one place; a point without a case counts as the gate's and fails there.</summary>
    private protected static TheoryData<string> NamesOf(CrashPlace place) =>
    [
        .. typeof(CrashPoint).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(name => name.IsLiteral)
            .Select(name => (string)name.GetRawConstantValue()!)
            .Where(name => (CrashCase.All.GetValueOrDefault(name)?.Place ?? CrashPlace.Gate) == place),
    ];

    protected async Task AssertNothingLostOrDoubledAsync(string point)
    {
        Assert.True(CrashCase.All.TryGetValue(point, out var crash), $"No case for the crash point '{point}'.");
        var system = await faults.ReadyAsync(_cancellation);
        try
        {
            await DieAndRecoverAsync(system, point, crash);
        }
        catch
        {
            // A process that has survived may be in any state.
            faults.Disarm();
            await faults.EndAllAsync(system.Apis);
            await faults.EndAllAsync(system.Workers);
            throw;
        }
    }

    private async Task DieAndRecoverAsync(LocalSystem system, string point, CrashCase crash)
    {
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        var scene = new CrashScene(faults, sale, _cancellation);
        await crash.Prepare(scene);

        var services = crash.Place == CrashPlace.Worker ? system.Workers : system.Apis;
        foreach (var passing in new[] { 1, 3 })
        {
            faults.Arm($"{point}:{passing}");
            var armed = services.Count > 0 ? services[0] : await StartAsync(waitUntilHealthy: false);
            await crash.Provoke(scene, armed);
            await AssertDiedAtAsync(point, passing, armed);
            await faults.EndAllAsync(services);
        }

        faults.Disarm();
        await StartAsync(waitUntilHealthy: true);
        if (system.Workers.Count == 0)
        {
            await system.StartWorkerAsync(_cancellation);
        }

        await sale.RepeatUnansweredAsync();
        if (crash.Finish is not null)
        {
            await crash.Finish(scene);
        }

        var outcomes = await sale.OutcomesAsync();
        var failed = point is CrashPoint.RejectionWritten or CrashPoint.AbandonSettled ? sale.Queued.Count : 0;
        Assert.Empty(sale.Refused);
        Assert.Equal(
            (sale.Clicks.Distinct().Count() - failed, failed),
            (outcomes.GetValueOrDefault("SUCCESS"), outcomes.GetValueOrDefault("FAILED")));
        await sale.AssertConservedAsync(outcomes);

        Task<LocalService> StartAsync(bool waitUntilHealthy) => crash.Place == CrashPlace.Worker
            ? system.StartWorkerAsync(_cancellation, waitUntilHealthy)
            : system.StartApiAsync(_cancellation, waitUntilHealthy);
    }

    private async Task AssertDiedAtAsync(string point, int passing, LocalService armed)
    {
        try
        {
            var exitCode = await armed.Exited.WaitAsync(TimeSpan.FromMilliseconds(DeathTimeoutMs), _cancellation);
            Assert.True(exitCode == KilledExitCode, $"{point}:{passing} ended with exit code {exitCode}.\n{faults.System.Log}");
        }
        catch (TimeoutException)
        {
            Assert.Fail($"{point}:{passing} was not reached.\n{faults.System.Log}");
        }
    }
}

[Collection(nameof(GateCrashes))]
[Trait("Category", "Long")]
public sealed class GateCrashPointTests(GateCrashes faults) : CrashPointTests(faults)
{
    public static TheoryData<string> Names => NamesOf(CrashPlace.Gate);

    [Theory(Explicit = true)]
    [MemberData(nameof(Names))]
    public Task Dying_there_loses_nothing_and_doubles_nothing(string point) => AssertNothingLostOrDoubledAsync(point);
}

[Collection(nameof(OrderCrashes))]
[Trait("Category", "Long")]
public sealed class WorkerCrashPointTests(OrderCrashes faults) : CrashPointTests(faults)
{
    public static TheoryData<string> Names => NamesOf(CrashPlace.Worker);

    [Theory(Explicit = true)]
    [MemberData(nameof(Names))]
    public Task Dying_there_loses_nothing_and_doubles_nothing(string point) => AssertNothingLostOrDoubledAsync(point);
}

[Collection(nameof(OrderCrashes))]
[Trait("Category", "Long")]
public sealed class OperatorCrashPointTests(OrderCrashes faults) : CrashPointTests(faults)
{
    public static TheoryData<string> Names => NamesOf(CrashPlace.Operators);

    [Theory(Explicit = true)]
    [MemberData(nameof(Names))]
    public Task Dying_there_loses_nothing_and_doubles_nothing(string point) => AssertNothingLostOrDoubledAsync(point);
}
