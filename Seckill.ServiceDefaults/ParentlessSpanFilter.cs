using System.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults;

/// <summary>
/// Drops spans of a client library that belong to nothing: what a service's housekeeping asks its database every second.
/// Each would be a trace of its own, and soon push the orders' traces out of a viewer that keeps a limited number.
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
