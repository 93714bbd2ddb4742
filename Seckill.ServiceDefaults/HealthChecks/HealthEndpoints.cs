using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>The three probes. They are public, so they cost little and reveal little.</summary>
internal static class HealthEndpoints
{
    public const string LiveTag = "live";

    public static void Map(WebApplication app, string readyPath, string alivePath, string startedPath)
    {
        // Probes must pass everything that guards the application's own endpoints.
        var probes = app.MapGroup("")
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
        probes.MapGet(startedPath, (IHostApplicationLifetime lifetime) => lifetime.ApplicationStarted.IsCancellationRequested
            ? Results.Text("Started")
            : Results.Text("Starting", statusCode: StatusCodes.Status503ServiceUnavailable));
    }

    private static Task WriteDetailsAsync(HttpContext context, HealthReport report)
    {
        var checks = report.Entries.ToDictionary(
            entry => entry.Key,
            entry => new { Status = entry.Value.Status.ToString(), entry.Value.Description, Error = entry.Value.Exception?.Message });

        return context.Response.WriteAsJsonAsync(new { Status = report.Status.ToString(), Checks = checks }, context.RequestAborted);
    }
}
