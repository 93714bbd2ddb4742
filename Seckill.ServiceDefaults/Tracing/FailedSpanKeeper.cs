using System.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>
/// Keeps what failed of the traces that are not kept: the first span in this process, with its error and its tags. The spans of the other
/// process have ended by then, well or not, each by its own outcome. Goes before the exporter.
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
