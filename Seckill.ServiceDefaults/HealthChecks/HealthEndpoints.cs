using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>The two probes. Anyone can reach them, so they cost little and tell little.</summary>
internal static class HealthEndpoints
{
    public const string LiveTag = "live";
    public const string CachePolicy = "HealthChecks";

    /// <summary>Upper bound of one check. Shorter than the ten seconds after which an orchestrator's probe gives up.</summary>
    private const int CheckTimeoutMs = 3_000;

    /// <summary>Checks come from several packages; those that set no time-out of their own get ours.</summary>
    public static void BoundTimeouts(HealthCheckServiceOptions options)
    {
        foreach (var registration in options.Registrations)
        {
            if (registration.Timeout == Timeout.InfiniteTimeSpan)
            {
                registration.Timeout = TimeSpan.FromMilliseconds(CheckTimeoutMs);
            }
        }
    }

    public static void Map(WebApplication app, string readyPath, string alivePath)
    {
        // Probes must get through whatever guards the application's own endpoints.
        var probes = app.MapGroup("")
            .CacheOutput(CachePolicy)
            .AllowAnonymous()
            .DisableRateLimiting()
            .DisableHttpMetrics()
            .WithMetadata(new HttpMethodMetadata([HttpMethods.Get, HttpMethods.Head]));

        var ready = new HealthCheckOptions();
        if (app.Environment.IsDevelopment())
        {
            ready.ResponseWriter = WriteDetailsAsync;
        }

        probes.MapHealthChecks(readyPath, ready);
        probes.MapHealthChecks(alivePath, new HealthCheckOptions { Predicate = check => check.Tags.Contains(LiveTag) });
    }

    private static Task WriteDetailsAsync(HttpContext context, HealthReport report)
    {
        var checks = report.Entries.ToDictionary(
            entry => entry.Key,
            entry => new { Status = entry.Value.Status.ToString(), entry.Value.Description, Error = entry.Value.Exception?.Message });

        return context.Response.WriteAsJsonAsync(new { Status = report.Status.ToString(), Checks = checks }, context.RequestAborted);
    }
}
