using System.ComponentModel.DataAnnotations;

namespace Seckill.Ordering.Telemetry;

/// <summary>Section <c>Pulse</c>.</summary>
public sealed class PulseOptions
{
    public const string Section = "Pulse";

    /// <summary>How often the instance publishes its state, ms. The console treats an instance as gone after 5 s of silence.</summary>
    [Range(100, 4_000)]
    public int EveryMs { get; init; } = 1_000;
}
