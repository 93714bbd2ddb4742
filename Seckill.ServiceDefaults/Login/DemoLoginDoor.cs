using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults.Login;

/// <summary>
/// Decides who may log in without a password, for trying out the system on one's own machine: users of this machine, or anyone if
/// <see cref="LoginOptions.DemoLoginForAnyone"/> is set.
/// </summary>
public static class DemoLoginDoor
{
    private const string Localhost = "localhost";

    /// <summary>Whether the demo login exists at all.</summary>
    public static bool IsThere(IHostEnvironment environment) => environment.IsDevelopment();

    /// <summary>
    /// Whether the request comes from this machine and addresses it by a local name: not through a tunnel or a proxy, and not from another
    /// site's page whose name resolves to this machine.
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

    /// <summary>
    /// A proxy on this machine may forward requests from anywhere. If the framework has taken the sender from the headers, it has renamed
    /// them to <c>X-Original-</c>.
    /// </summary>
    private static bool IsForwarded(HttpRequest request) =>
        request.Headers.Any(header => header.Key.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
            || header.Key.StartsWith("X-Original-", StringComparison.OrdinalIgnoreCase)
            || header.Key.Equals("Forwarded", StringComparison.OrdinalIgnoreCase));
}
