using System.Reflection;
using Seckill.LocalServers;
using Seckill.Ordering.Faults;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Faults;

/// <summary>
/// At every named point a process really dies by SIGKILL, twice over: the first armed process at its first passing, and the one that takes over at its third, in the
/// middle of the recovery. A third one, unarmed, then has to bring everything to its end.
/// </summary>
[Collection(nameof(FaultSystem))]
public sealed class CrashPointTests(FaultSystem faults)
{
    private const int KilledExitCode = 128 + 9;
    private const int DeathTimeoutMs = 60_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public static TheoryData<string> Names =>
    [
        .. typeof(CrashPoint).GetFields(BindingFlags.Public | BindingFlags.Static).Where(name => name.IsLiteral).Select(name => (string)name.GetRawConstantValue()!),
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Dying_there_loses_nothing_and_doubles_nothing(string point)
    {
        Assert.True(CrashCase.All.TryGetValue(point, out var crash), $"No case for the crash point '{point}'.");
        var system = await faults.ReadyAsync(_cancellation);
        try
        {
            await DieAndRecoverAsync(system, point, crash);
        }
        catch
        {
            // A process that is still armed would die in the next test.
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

        foreach (var passing in new[] { 1, 3 })
        {
            await faults.EndAllAsync(crash.InWorker ? system.Workers : system.Apis);
            var armed = await StartAsync($"{point}:{passing}", waitUntilHealthy: false);
            await crash.Provoke(scene, armed);
            await AssertDiedAtAsync(point, passing, armed);
        }

        await faults.EndAllAsync(crash.InWorker ? system.Workers : system.Apis);
        await StartAsync(null, waitUntilHealthy: true);
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
        Assert.Equal((sale.Clicks.Distinct().Count() - failed, failed), (outcomes.GetValueOrDefault("SUCCESS"), outcomes.GetValueOrDefault("FAILED")));
        await sale.AssertConservedAsync(outcomes);

        Task<LocalService> StartAsync(string? crashAt, bool waitUntilHealthy) => crash.InWorker
            ? system.StartWorkerAsync(_cancellation, waitUntilHealthy, ("SECKILL_CRASH_AT", crashAt ?? ""))
            : system.StartApiAsync(_cancellation, waitUntilHealthy, ("SECKILL_CRASH_AT", crashAt ?? ""));
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
