using Microsoft.AspNetCore.Http;

namespace Seckill.ServiceDefaults.Login;

/// <summary>
/// Whether a request that a browser sends a login cookie with comes from a page of ours. Browsers add the cookie whoever's page asks, and
/// <c>SameSite</c> does not hold between two ports or two names of one domain.
/// </summary>
public static class OwnSite
{
    private const string FetchSite = "Sec-Fetch-Site";

    /// <summary>
    /// True for what may have been sent by another site's page: by the browser's word (<c>Sec-Fetch-Site</c>), or where it gives none, as
    /// over plain HTTP, by an <c>Origin</c> that is not the host that was asked.
    /// </summary>
    /// <remarks>Behind a proxy the host is what the proxy says (<c>Host</c>, or <c>X-Forwarded-Host</c> of a known one).</remarks>
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
        // A proxy that ends TLS leaves the port out as the browser does: whichever scheme's own it is.
        && (host.Port is { } port ? site.Port == port : site.IsDefaultPort);
}
