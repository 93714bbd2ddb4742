using System.ComponentModel.DataAnnotations;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>Section <c>Tracing</c>; of no effect where <c>OTEL_TRACES_SAMPLER</c> is set (Aspire sets it in development).</summary>
public sealed class TracingOptions
{
    public const string Section = "Tracing";

    /// <summary>Share of the traces that are kept whole, 0 to 1. Of the others only what fails is kept.</summary>
    [Range(0.0, 1.0)]
    public double KeptShare { get; init; } = 1;
}
