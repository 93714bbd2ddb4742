using System.Diagnostics;
using OpenTelemetry.Trace;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>
/// Samples a share of the traces, chosen by trace id, so that all processes make the same choice. Of the others it records the first span
/// in each process without sampling it, so that <see cref="FailedSpanKeeper"/> can decide when it ends. It drops the spans below that one,
/// which saves most of the cost.
/// </summary>
internal sealed class ShareOrFailedSampler(double share) : Sampler
{
    private static readonly SamplingResult Kept = new(SamplingDecision.RecordAndSample);
    private static readonly SamplingResult KeptIfItFails = new(SamplingDecision.RecordOnly);
    private static readonly SamplingResult Dropped = new(SamplingDecision.Drop);

    private readonly TraceIdRatioBasedSampler _share = new(share);

    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
    {
        var parent = samplingParameters.ParentContext;
        if (parent.TraceId == default)
        {
            return _share.ShouldSample(samplingParameters).Decision == SamplingDecision.RecordAndSample ? Kept : KeptIfItFails;
        }

        return parent.TraceFlags.HasFlag(ActivityTraceFlags.Recorded) ? Kept : parent.IsRemote ? KeptIfItFails : Dropped;
    }
}
