using System.ComponentModel.DataAnnotations;
using System.Net;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>Section <c>Tracing</c>; no effect where <c>OTEL_TRACES_SAMPLER</c> is set (Aspire sets it in development).</summary>
public sealed class TracingOptions : IValidatableObject
{
    public const string Section = "Tracing";

    /// <summary>Share of the traces that are kept whole, 0 to 1. Of the others only failures are kept.</summary>
    [Range(0.0, 1.0)]
    public double KeptShare { get; init; } = 1;

    /// <summary>
    /// Addresses and networks (<c>10.0.0.0/8</c>) of callers whose traces are continued. Headers of all other clients are ignored: a client
    /// must not choose the trace id of its order and its audit entries, nor which traces are kept.
    /// </summary>
    public IList<string> KnownCallers { get; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) => KnownCallers
        .Where(text => !IPNetwork.TryParse(text, out _) && !IPAddress.TryParse(text, out _))
        .Select(text => new ValidationResult($"Tracing:KnownCallers: '{text}' is neither an address nor a network."));
}
