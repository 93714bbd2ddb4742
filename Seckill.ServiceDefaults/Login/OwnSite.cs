using Microsoft.AspNetCore.Http;

namespace Seckill.ServiceDefaults.Login;

/// <summary>
/// Whether a browser's request with a login cookie comes from one of our own pages. Browsers send the cookie with requests from any page,
/// and <c>SameSite</c> does not separate two ports or two names of one domain.
/// </summary>
public static class OwnSite
{
    private const string FetchSite = "Sec-Fetch-Site";

    /// <summary>
    /// True for a request that may have been sent by another site's page: according to the browser (<c>Sec-Fetch-Site</c>), or if that
    /// header is missing, as over plain HTTP, by an <c>Origin</c> that differs from the requested host.
    /// </summary>
    /// <remarks>Behind a proxy the host is the one that the proxy sends (<c>Host</c>, or <c>X-Forwarded-Host</c> of a known one).</remarks>
    public static bool IsElsewhere(HttpRequest request)
    {
        if (request.Headers.TryGetValue(FetchSite, out var site))
        {
            // "none": typed in, or opened from a bookmark.
            return site.Count != 1 || site[0] is not ("same-origin" or "none");
        }

        return !IsOwn(request.Headers.Origin.ToString(), request.Host);
    }

    /// <summary>Whether an <c>Origin</c> header names the host.</summary>
    public static bool IsOwn(string origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var site)
        && string.Equals(site.IdnHost, host.Host.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)
        // A proxy that terminates TLS omits the port, as the browser does: the default port of either scheme.
        && (host.Port is { } port ? site.Port == port : site.IsDefaultPort);
}
