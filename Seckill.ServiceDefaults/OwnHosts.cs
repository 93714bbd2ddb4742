using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults;

/// <summary>
/// Adds this machine's own addresses if <c>AllowedHosts</c> names hosts: an orchestrator probes health by address, and no name of another
/// site can make a browser send an address as the host.
/// </summary>
internal static class OwnHosts
{
    private const string Any = "*";
    private const string Setting = "AllowedHosts";

    /// <summary>
    /// Outside Development, a setting that is present and names no host fails startup: the framework takes it for any host, and a
    /// deployment's file that nobody has filled in looks like that.
    /// </summary>
    public static IServiceCollection AllowOwnAddresses(this IServiceCollection services)
    {
        services.AddOptions<HostFilteringOptions>()
            .PostConfigure(options =>
            {
                if (!options.AllowedHosts.Contains(Any))
                {
                    options.AllowedHosts = [.. options.AllowedHosts, .. Addresses()];
                }
            })
            .Validate<IConfiguration, IHostEnvironment>(
                (_, configuration, environment) => environment.IsDevelopment() || !IsEmpty(configuration[Setting]),
                $"{Setting} names no host: give the site's names, separated by semicolons, or {Any} for any.")
            .ValidateOnStart();
        return services;
    }

    private static bool IsEmpty(string? hosts) =>
        hosts?.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [];

    private static IEnumerable<string> Addresses() =>
        from network in NetworkInterface.GetAllNetworkInterfaces()
        from address in network.GetIPProperties().UnicastAddresses
        let ip = address.Address
        select ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{ip.ToString().Split('%')[0]}]" : ip.ToString();
}
