using Microsoft.Extensions.Configuration;
using Seckill.LocalServers;

namespace Seckill.AppHost.Settings;

/// <summary>
/// The dashboard's addresses. They are set here and not only in a launch profile, so that the dashboard exists however the AppHost is
/// started, and two checkouts do not compete for the same ports.
/// </summary>
internal static class DashboardSettings
{
    private const string PageUrl = "ASPNETCORE_URLS";

    public static void UseLoopbackDashboard(this IDistributedApplicationBuilder builder, LocalOptions options)
    {
        var configuration = builder.Configuration;
        // Plain HTTP on loopback, because not every machine has a development certificate.
        configuration["ASPIRE_ALLOW_UNSECURED_TRANSPORT"] ??= "true";
        // A profile or the environment may ask for https or for another host; then it has to name all three addresses. Port 0 leaves the
        // choice to us, because links need the address.
        if (configuration[PageUrl] is { Length: > 0 } chosen && !chosen.EndsWith(":0", StringComparison.Ordinal))
        {
            return;
        }

        configuration[PageUrl] = $"http://localhost:{options.TakePort("dashboard", options.DashboardPort)}";
        configuration["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"] ??= $"http://localhost:{LoopbackPorts.Take()}";
        configuration["ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL"] ??= $"http://localhost:{LoopbackPorts.Take()}";
    }

    /// <summary>The dashboard's base address; null where there is no dashboard.</summary>
    public static string? DashboardUrl(this IConfiguration configuration) =>
        configuration[PageUrl]?.Split(';')[0].TrimEnd('/') is { Length: > 0 } url ? url : null;

    /// <summary>The address that includes the login.</summary>
    public static string? DashboardLoginUrl(this IConfiguration configuration) =>
        configuration.DashboardUrl() is not { } url ? null
        : configuration["AppHost:BrowserToken"] is { Length: > 0 } token ? $"{url}/login?t={token}"
        : url;
}
