using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Context.Propagation;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>Replaces the framework's own extraction of trace headers, which runs before the sender is known: it reads nothing.</summary>
internal sealed class NoCallersTrace : DistributedContextPropagator
{
    public override IReadOnlyCollection<string> Fields => [];

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter) =>
        Current.Inject(activity, carrier, setter);

    public override void ExtractTraceIdAndState(
        object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState) => traceId = traceState = null;

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}

/// <summary>OpenTelemetry's extraction, which runs next: it continues the trace of a known caller.</summary>
internal sealed class KnownCallersTrace : TextMapPropagator
{
    public static readonly KnownCallersTrace Instance = new();

    private const string Header = "traceparent";

    private readonly TraceContextPropagator _headers = new();

    public override ISet<string>? Fields => _headers.Fields;

    public override void Inject<T>(PropagationContext context, T carrier, Action<T, string, string> setter) =>
        _headers.Inject(context, carrier, setter);

    public override PropagationContext Extract<T>(
        PropagationContext context, T carrier, Func<T, string, IEnumerable<string>?> getter) =>
        carrier is HttpRequest request && !IsKnown(request) ? context : _headers.Extract(context, carrier, getter);

    private static bool IsKnown(HttpRequest request) =>
        request.Headers.ContainsKey(Header)
        && request.HttpContext.RequestServices.GetService<KnownCallers>()?.Include(request.HttpContext.Connection.RemoteIpAddress) == true;
}
