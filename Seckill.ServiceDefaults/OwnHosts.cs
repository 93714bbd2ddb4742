using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.Extensions.DependencyInjection;

namespace Seckill.ServiceDefaults;

/// <summary>
/// Adds this machine's own addresses if <c>AllowedHosts</c> names hosts: an orchestrator probes health by address, and no name of another
/// site can make a browser send an address as the host.
/// </summary>
internal static class OwnHosts
{
    private const string Any = "*";

    public static IServiceCollection AllowOwnAddresses(this IServiceCollection services) =>
        services.PostConfigure<HostFilteringOptions>(options =>
        {
            if (!options.AllowedHosts.Contains(Any))
            {
                options.AllowedHosts = [.. options.AllowedHosts, .. Addresses()];
            }
        });

    private static IEnumerable<string> Addresses() =>
        from network in NetworkInterface.GetAllNetworkInterfaces()
        from address in network.GetIPProperties().UnicastAddresses
        let ip = address.Address
        select ip.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{ip.ToString().Split('%')[0]}]" : ip.ToString();
}
