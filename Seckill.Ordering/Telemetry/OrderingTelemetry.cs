using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Seckill.Ordering.Telemetry;

/// <summary>The activity source of the ledger and the meter that all programs share.</summary>
public static class OrderingTelemetry
{
    public const string MeterName = "Seckill";

    public static readonly ActivitySource Source = new("Seckill.Ordering");
    public static readonly Meter Meter = new(MeterName);

    /// <summary>
    /// Makes a trace current that is not recorded here. Otherwise a client would begin a trace of its own for what it sends, and name that
    /// one in the headers. Null for no trace.
    /// </summary>
    public static Activity? Continue(ActivityContext trace) => trace == default
        ? null
        : new Activity("not recorded").SetParentId(trace.TraceId, trace.SpanId, trace.TraceFlags).Start();

    /// <summary>Starts the client span of a script call; StackExchange.Redis has no source of its own.</summary>
    public static Activity? StartScript(string script, ActivityContext parent = default)
    {
        var activity = parent == default
            ? Source.StartActivity(script, ActivityKind.Client)
            : Source.StartActivity(script, ActivityKind.Client, parent);
        activity?.SetTag("db.system.name", "redis");
        activity?.SetTag("db.operation.name", "EVALSHA");
        activity?.SetTag("db.stored_procedure.name", script);
        return activity;
    }
}
