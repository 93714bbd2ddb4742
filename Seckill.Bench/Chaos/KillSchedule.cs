namespace Seckill.Bench.Chaos;

/// <summary>One SIGKILL, or one SIGSTOP.</summary>
/// <param name="At">Since the beginning of the storm; later if the component is not back up by then.</param>
/// <param name="Component">The component that is hit.</param>
/// <param name="Instances">Indexes of its instances, from 0.</param>
/// <param name="DownMs">Time until it is restarted or continued, ms.</param>
/// <param name="Freezes">SIGSTOP: connections stay open, and nothing answers until SIGCONT.</param>
public sealed record Kill(TimeSpan At, Component Component, IReadOnlyList<int> Instances, int DownMs, bool Freezes = false);

/// <summary>The schedule of kills and freezes; the same seed gives the same schedule.</summary>
public static class KillSchedule
{
    /// <summary>Percentage of kills that coincide with another component's.</summary>
    private const int TogetherPercent = 25;

    /// <summary>Percentage of kills with a long downtime.</summary>
    private const int LongOutagePercent = 12;

    private const int LongOutageFactor = 4;

    /// <summary>Kills per freeze.</summary>
    private const int KillsPerFreeze = 2;

    /// <summary>Percentage of application kills that hit both instances.</summary>
    private const int BothInstancesPercent = 20;

    /// <summary>Kills of each component in chronological order, spread over the storm.</summary>
    public static IReadOnlyDictionary<Component, IReadOnlyList<Kill>> Plan(ChaosOptions options)
    {
        var random = new Random(options.Seed);
        var slot = TimeSpan.FromSeconds(options.Seconds) / options.KillsMin;
        var plan = new Dictionary<Component, IReadOnlyList<Kill>>();
        List<Kill>? neighbour = null;
        foreach (var component in options.Victims)
        {
            var kills = new List<Kill>(options.KillsMin);
            for (var i = 0; i < options.KillsMin; i++)
            {
                var at = slot * (i + random.NextDouble());
                if (neighbour is not null && random.Next(100) < TogetherPercent)
                {
                    at = neighbour[i].At;
                }

                kills.Add(new Kill(at, component, InstancesOf(component, random), DownMsOf(options, random)));
            }

            neighbour = kills;
            plan.Add(component, [.. kills.Concat(Freezes(component, options, random)).OrderBy(kill => kill.At)]);
        }

        return plan;
    }

    private static IEnumerable<Kill> Freezes(Component component, ChaosOptions options, Random random)
    {
        for (var i = options.Disturbed ? (options.KillsMin + 1) / KillsPerFreeze : 0; i > 0; i--)
        {
            var at = TimeSpan.FromSeconds(options.Seconds) * random.NextDouble();
            yield return new Kill(at, component, InstancesOf(component, random), DownMsOf(options, random), Freezes: true);
        }
    }

    private static IReadOnlyList<int> InstancesOf(Component component, Random random)
    {
        var (both, one) = (random.Next(100) < BothInstancesPercent, random.Next(ChaosSystem.InstanceCount));
        return component is not (Component.Api or Component.Worker)
            ? [0]
            : both ? [.. Enumerable.Range(0, ChaosSystem.InstanceCount)]
            : [one];
    }

    private static int DownMsOf(ChaosOptions options, Random random)
    {
        var downMs = random.Next(options.DownMs.Min, options.DownMs.Max + 1);
        return random.Next(100) < LongOutagePercent ? downMs * LongOutageFactor : downMs;
    }
}
