using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults.Login;

/// <summary>
/// Who may log in without a password, which is for trying the system on one's own machine: whoever sits at it, unless a switch says anyone.
/// </summary>
public static class DemoLoginDoor
{
    private const string Localhost = "localhost";

    /// <summary>Whether it is there at all.</summary>
    public static bool IsThere(IHostEnvironment environment) => environment.IsDevelopment();

    /// <summary>
    /// Whether the request comes from this machine and asked for it by a name of this machine: not through a tunnel or a proxy, and not
    /// from another site's page whose name leads here.
    /// </summary>
    public static bool IsOpenTo(HttpContext http, LoginOptions options) =>
        options.DemoLoginForAnyone
        || (IsThisMachine(http.Connection.RemoteIpAddress) && IsThisMachine(http.Request.Host) && !IsForwarded(http.Request));

    /// <summary>A connection without an address does not leave the process or the machine.</summary>
    private static bool IsThisMachine(IPAddress? peer) => peer is null || IPAddress.IsLoopback(peer);

    private static bool IsThisMachine(HostString host)
    {
        var name = host.Host.Trim('[', ']');
        return name.Equals(Localhost, StringComparison.OrdinalIgnoreCase)
            || name.EndsWith("." + Localhost, StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(name, out var address) && IPAddress.IsLoopback(address));
    }

    /// <summary>A proxy on this machine, which may speak for anybody.</summary>
    private static bool IsForwarded(HttpRequest request) =>
        request.Headers.Any(header => header.Key.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
            || header.Key.Equals("Forwarded", StringComparison.OrdinalIgnoreCase));
}
