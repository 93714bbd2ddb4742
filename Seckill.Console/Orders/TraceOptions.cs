using System.ComponentModel.DataAnnotations;

namespace Seckill.Console.Orders;

/// <summary>Section <c>Traces</c>: where traces can be viewed.</summary>
public sealed class TraceOptions : IValidatableObject
{
    public const string Section = "Traces";

    private const string Placeholder = "{trace_id}";

    /// <summary>Such as <c>http://localhost:18888/traces/detail/{trace_id}</c>; empty shows trace ids without a link.</summary>
    public string UrlTemplate { get; init; } = "";

    /// <summary>Null without a trace viewer.</summary>
    public string? UrlOf(string? traceId) =>
        UrlTemplate.Length > 0 && traceId is { Length: > 0 }
            ? UrlTemplate.Replace(Placeholder, Uri.EscapeDataString(traceId), StringComparison.Ordinal)
            : null;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        // Another scheme, such as javascript:, would run with the operator's rights.
        if (UrlTemplate.Length > 0 && !(UrlTemplate.Contains(Placeholder, StringComparison.Ordinal)
            && Uri.TryCreate(UrlTemplate.Replace(Placeholder, "0", StringComparison.Ordinal), UriKind.Absolute, out var url)
            && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps)))
        {
            yield return new ValidationResult(
                $"Traces:UrlTemplate must be empty, or an http(s) address with {Placeholder} in it.", [nameof(UrlTemplate)]);
        }
    }
}
