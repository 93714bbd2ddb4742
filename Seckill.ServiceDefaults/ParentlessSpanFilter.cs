using System.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults;

/// <summary>
/// Drops a client library's spans that have no parent, such as the queries that a service's housekeeping sends every second. Each would be
/// a trace of its own, and they would soon push the orders' traces out of a viewer that keeps a limited number.
/// </summary>
internal sealed class ParentlessSpanFilter(string sourceName) : BaseProcessor<Activity>
{
    public override void OnStart(Activity data)
    {
        if (data.Source.Name != sourceName || data.ParentSpanId != default)
        {
            return;
        }

        data.IsAllDataRequested = false;
        data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
    }
}
