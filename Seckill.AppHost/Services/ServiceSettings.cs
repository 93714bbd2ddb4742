using System.Globalization;
using Microsoft.Extensions.Configuration;
using Seckill.AppHost.Settings;

namespace Seckill.AppHost.Services;

internal static class ServiceSettings
{
    private const int ReplicasMax = 64;

    /// <summary>
    /// Settings common to all services. They know the servers only by their connection strings; in a run they also get the environment's
    /// name, the share of traces to keep, and no time to drain. Call it before WithReference, which reads it.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithServiceEnvironment(this IResourceBuilder<ProjectResource> service)
    {
        service.WithReferenceEnvironment(ReferenceEnvironmentInjectionFlags.ConnectionString);

        var builder = service.ApplicationBuilder;
        if (!builder.ExecutionContext.IsRunMode)
        {
            return service;
        }

        service.WithEnvironment("ASPNETCORE_ENVIRONMENT", builder.Environment.EnvironmentName);
        // No load balancer has to notice a stop, which may not take as long as that in a run.
        service.WithEnvironment("Draining__ServeForMs", "0");
        // In a run everything is on this machine: the console's calls to the Api continue its trace.
        service.WithEnvironment("Tracing__KnownCallers__0", "127.0.0.0/8").WithEnvironment("Tracing__KnownCallers__1", "::1");
        foreach (var name in new[] { "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG" })
        {
            if (builder.Configuration[name] is { Length: > 0 } value)
            {
                service.WithEnvironment(name, value);
            }
        }

        return service;
    }

    /// <summary>
    /// The service's HTTP endpoint. In a run it has the preferred port, or a free one if that is taken. A single process listens
    /// there itself; Aspire's proxy is used only for several.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithServiceEndpoint(
        this IResourceBuilder<ProjectResource> service, LocalOptions options, int port)
    {
        var builder = service.ApplicationBuilder;
        return builder.ExecutionContext.IsRunMode
            ? service.WithHttpEndpoint(
                port: options.TakePort(service.Resource.Name, port), isProxied: service.Resource.GetReplicaCount() > 1)
            : service.WithHttpEndpoint();
    }

    /// <summary>The console links to traces in Aspire's dashboard.</summary>
    public static void WithTracesOfTheDashboard(this IResourceBuilder<ProjectResource> console)
    {
        if (console.ApplicationBuilder.Configuration.DashboardUrl() is { } dashboard)
        {
            console.WithEnvironment("Traces__UrlTemplate", dashboard + "/traces/detail/{trace_id}");
        }
    }

    /// <summary><c>Api:Replicas</c>: how many Api processes share the load, 1 to 64; 1 if it is not configured.</summary>
    /// <exception cref="DistributedApplicationException">It is not a number, or out of range.</exception>
    public static int GetApiReplicas(this IConfiguration configuration)
    {
        if (configuration["Api:Replicas"] is not { Length: > 0 } configured)
        {
            return 1;
        }

        return int.TryParse(configured, CultureInfo.InvariantCulture, out var replicas) && replicas is >= 1 and <= ReplicasMax
            ? replicas
            : throw new DistributedApplicationException($"Api:Replicas must be 1 to {ReplicasMax}, not '{configured}'.");
    }
}
