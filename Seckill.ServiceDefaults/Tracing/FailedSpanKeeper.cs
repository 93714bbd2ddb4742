using System.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>
/// Keeps failures of traces that are not sampled: the first span in this process, with its error and its tags. The other process's spans
/// have ended by then, each kept or dropped by its own outcome. Must precede the exporter.
/// </summary>
internal sealed class FailedSpanKeeper : BaseProcessor<Activity>
{
    public override void OnEnd(Activity data)
    {
        if (data is { IsAllDataRequested: true, Status: ActivityStatusCode.Error })
        {
            data.ActivityTraceFlags |= ActivityTraceFlags.Recorded;
        }
    }
}
