using Microsoft.Extensions.Configuration;

namespace Seckill.AppHost.Aspire;

internal static class ServiceSettings
{
    private const int ReplicasMax = 64;

    /// <summary>
    /// What all services have: of the servers they get the connection strings and nothing else, and in a run also the
    /// environment's name and how many traces are kept. To be called before WithReference, which looks at it.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithServiceEnvironment(this IResourceBuilder<ProjectResource> service)
    {
        service.WithReferenceEnvironment(ReferenceEnvironmentInjectionFlags.ConnectionString);

        var builder = service.ApplicationBuilder;
        if (!builder.ExecutionContext.IsRunMode)
            return service;

        service.WithEnvironment("ASPNETCORE_ENVIRONMENT", builder.Environment.EnvironmentName);
        foreach (var name in new[] { "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG" })
        {
            if (builder.Configuration[name] is { Length: > 0 } value)
                service.WithEnvironment(name, value);
        }

        return service;
    }

    /// <summary>The console links to traces in Aspire's dashboard, whose address the AppHost is told; nothing where it is not.</summary>
    public static void WithTracesOfTheDashboard(this IResourceBuilder<ProjectResource> console)
    {
        if (console.ApplicationBuilder.Configuration["ASPNETCORE_URLS"]?.Split(';')[0] is not { Length: > 0 } dashboard)
            return;
        var template = dashboard.TrimEnd('/') + "/traces/detail/{trace_id}";
        console.WithEnvironment("Traces__UrlTemplate", template);
    }

    /// <summary><c>Api:Replicas</c>: how many Api processes share the load, 1 to 64; 1 if it is not configured.</summary>
    /// <exception cref="DistributedApplicationException">The number is out of range.</exception>
    public static int GetApiReplicas(this IConfiguration configuration)
    {
        var replicas = configuration.GetValue("Api:Replicas", 1);
        return replicas is >= 1 and <= ReplicasMax
            ? replicas
            : throw new DistributedApplicationException($"Api:Replicas must be 1 to {ReplicasMax}, not {replicas}.");
    }
}
