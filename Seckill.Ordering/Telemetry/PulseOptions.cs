using System.ComponentModel.DataAnnotations;

namespace Seckill.Ordering.Telemetry;

/// <summary>Section <c>Pulse</c>.</summary>
public sealed class PulseOptions
{
    public const string Section = "Pulse";

    /// <summary>
    /// How often the instance says how it does, ms. The console takes an instance that has been silent for 5 s to be gone.
    /// </summary>
    [Range(100, 4_000)]
    public int EveryMs { get; init; } = 1_000;
}
