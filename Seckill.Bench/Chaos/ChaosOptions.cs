namespace Seckill.Bench.Chaos;

/// <summary>Settings of a chaos run.</summary>
/// <param name="Seconds">Length of the storm, s.</param>
/// <param name="Seed">Decides which process is killed when and which buyer clicks on what, but not how the processes react.</param>
/// <param name="BuyersPerSecond">Maximum of new buyers per second; 0 for as many as the connections allow.</param>
/// <param name="Concurrency">Concurrent buyers.</param>
/// <param name="KillsMin">Minimum number of kills of each component.</param>
/// <param name="Sabotage">A bug to plant, or null.</param>
public sealed record ChaosOptions(int Seconds, int Seed, int BuyersPerSecond, int Concurrency, int KillsMin, string? Sabotage)
{
    /// <summary>Ten kills of each in three minutes.</summary>
    public const double KillsPerSecond = 10.0 / 180;

    /// <summary>The components to kill; all of them unless a bug shows best without the others.</summary>
    public IReadOnlyList<Component> Victims { get; init; } = Enum.GetValues<Component>();

    /// <summary>Shortest and longest time that a killed process stays away, ms.</summary>
    public (int Min, int Max) DownMs { get; init; } = (0, 1_500);

    /// <summary>Whether processes are also frozen, rows locked and bad messages sent.</summary>
    public bool Disturbed { get; init; } = true;

    /// <summary>Settings of both applications as environment variables, beyond the defaults.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Where the first worker kills itself (see <see cref="Ordering.Faults.CrashPoint"/>); null for nowhere.</summary>
    public string? WorkerCrashAt { get; init; }

    /// <summary>Longest wait for everything to come to rest after the storm, ms.</summary>
    public int RestTimeoutMs { get; init; } = 240_000;

    /// <summary>Number of kills for the run's length.</summary>
    public static int KillsFor(int seconds) => Math.Max(1, (int)Math.Ceiling(seconds * KillsPerSecond));
}

/// <summary>What can be killed.</summary>
public enum Component
{
    Api,
    Worker,
    Redis,
    RabbitMQ,
    MySQL,
}
