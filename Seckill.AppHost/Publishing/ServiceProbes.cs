namespace Seckill.AppHost.Publishing;

// The probes are marked as experimental: their shape may change in a new version of Aspire, which a build would report.
#pragma warning disable ASPIREPROBES001

/// <summary>The probes of a service and their time-outs. In a run other resources wait for the same paths.</summary>
internal static class ServiceProbes
{
    private const string ReadyPath = "/health";
    private const string AlivePath = "/alive";
    private const string StartedPath = "/started";

    /// <summary>The answer comes from memory; a busy service must not be mistaken for a dead one.</summary>
    private const int TimeoutSeconds = 5;

    private const int ReadyPeriodSeconds = 5;
    private const int ReadyFailuresMax = 2;

    /// <summary>A restart cures only a hung process, so it takes a minute of silence to trigger one.</summary>
    private const int AlivePeriodSeconds = 10;

    private const int AliveFailuresMax = 6;

    /// <summary>Container Apps allows at most ten failures and requires an initial delay of at least a second.</summary>
    private const int StartPeriodSeconds = 5;

    private const int StartFailuresMax = 10;
    private const int FirstDelaySeconds = 1;

    /// <summary>
    /// Readiness is <c>/health</c>, liveness <c>/alive</c> and startup <c>/started</c>: a server that is down makes a service unready but
    /// never restarts it.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithProbes(this IResourceBuilder<ProjectResource> service) =>
        service
            .WithHttpProbe(ProbeType.Readiness, ReadyPath, FirstDelaySeconds, ReadyPeriodSeconds, TimeoutSeconds, ReadyFailuresMax)
            .WithHttpProbe(ProbeType.Liveness, AlivePath, FirstDelaySeconds, AlivePeriodSeconds, TimeoutSeconds, AliveFailuresMax)
            // WithHttpProbe would register the health check of this path a second time under the same name, which is refused at start.
            .WithAnnotation(new EndpointProbeAnnotation
            {
                Type = ProbeType.Startup,
                EndpointReference = service.GetEndpoint("http"),
                Path = StartedPath,
                InitialDelaySeconds = FirstDelaySeconds,
                PeriodSeconds = StartPeriodSeconds,
                TimeoutSeconds = TimeoutSeconds,
                FailureThreshold = StartFailuresMax,
                SuccessThreshold = 1,
            });
}
