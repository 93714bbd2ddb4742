using System.Collections.Concurrent;
using System.Diagnostics;

namespace Seckill.Bench.Chaos;

/// <summary>Carries out the schedule, with one loop for each component so that none waits for another.</summary>
public sealed class Storm(ChaosSystem system, ChaosOptions options)
{
    /// <summary>Minimum uptime between two kills of a component, ms: it must get far enough to have something to lose.</summary>
    private const int UpMsMin = 1_000;

    /// <summary>Maximum wait for a restarted application to become healthy before its next kill, ms.</summary>
    private const int PatienceMs = 10_000;

    private readonly ConcurrentDictionary<Component, int> _kills = new();
    private readonly ConcurrentDictionary<Component, int> _freezes = new();

    /// <summary>SIGKILLs so far; one for each instance.</summary>
    public int KillsOf(Component component) => _kills.GetValueOrDefault(component);

    /// <summary>SIGSTOPs so far; one for each instance.</summary>
    public int FreezesOf(Component component) => _freezes.GetValueOrDefault(component);

    public int KillCount => _kills.Values.Sum() + _freezes.Values.Sum();

    /// <summary>Returns when all kills are done, everything is restarted, and the storm's time is over.</summary>
    /// <exception cref="LocalServerException">A server did not come back.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var plan = KillSchedule.Plan(options);
        await Task.WhenAll(
            plan.Select(kills => Task.Run(() => KillAsync(kills.Value, started, cancellationToken), CancellationToken.None)));
        await WaitUntilAsync(TimeSpan.FromSeconds(options.Seconds), started, cancellationToken);
    }

    private async Task KillAsync(IReadOnlyList<Kill> kills, long started, CancellationToken cancellationToken)
    {
        foreach (var kill in kills)
        {
            await WaitUntilAsync(kill.At, started, cancellationToken);
            var counts = kill.Freezes ? _freezes : _kills;
            counts.AddOrUpdate(kill.Component, kill.Instances.Count, (_, count) => count + kill.Instances.Count);
            if (kill.Freezes)
            {
                await FreezeAsync(kill, cancellationToken);
            }
            else
            {
                system.Kill(kill.Component, kill.Instances);
                await Task.Delay(kill.DownMs, cancellationToken);
                await system.StartAgainAsync(kill.Component, kill.Instances, PatienceMs, cancellationToken);
            }

            await Task.Delay(UpMsMin, cancellationToken);
        }
    }

    private async Task FreezeAsync(Kill freeze, CancellationToken cancellationToken)
    {
        system.Pause(freeze.Component, freeze.Instances);
        try
        {
            await Task.Delay(freeze.DownMs, cancellationToken);
        }
        finally
        {
            system.Continue(freeze.Component, freeze.Instances);
        }
    }

    private static async Task WaitUntilAsync(TimeSpan at, long started, CancellationToken cancellationToken)
    {
        var wait = at - Stopwatch.GetElapsedTime(started);
        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, cancellationToken);
        }
    }
}
