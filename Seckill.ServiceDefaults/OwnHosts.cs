using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.Extensions.DependencyInjection;

namespace Seckill.ServiceDefaults;

/// <summary>
/// Where <c>AllowedHosts</c> names hosts, this machine's own addresses are among them: an orchestrator asks for health by address, and no
/// name of another site's leads a browser to send one.
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
