using System.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>
/// Keeps failures of traces that are not sampled: the first span in this process, with its error and its tags. The spans of the other
/// process have ended by then, each by its own outcome. Must precede the exporter.
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
