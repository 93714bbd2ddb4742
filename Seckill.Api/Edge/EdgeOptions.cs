using System.ComponentModel.DataAnnotations;
using System.Net;

namespace Seckill.Api.Edge;

/// <summary>Section <c>Edge</c>: proxies and HTTPS between the buyers and an instance.</summary>
public sealed class EdgeOptions : IValidatableObject
{
    public const string Section = "Edge";

    /// <summary>
    /// Addresses of the proxies whose <c>X-Forwarded-For</c>, <c>X-Forwarded-Proto</c> and <c>X-Forwarded-Host</c> are accepted, and whose
    /// traces are continued. Without any, the headers are ignored, even with <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED=true</c>, and every
    /// buyer behind a proxy counts under the proxy's address.
    /// </summary>
    public string[] KnownProxies { get; init; } = [];

    /// <summary>The same for networks, such as <c>10.0.0.0/8</c>.</summary>
    public string[] KnownNetworks { get; init; } = [];

    /// <summary>Maximum number of proxies that a request passes through one after another.</summary>
    [Range(1, 10)]
    public int ProxyHopsMax { get; init; } = 1;

    /// <summary>
    /// Redirects plain HTTP to HTTPS, except for probes. With known proxies, only requests that reached one of them over plain HTTP
    /// (<c>X-Forwarded-Proto: http</c>) are redirected, so callers inside the network, such as the console, are not. Without any, all are:
    /// a proxy that terminates TLS must be known, or every answer is a redirect.
    /// </summary>
    public bool HttpsRedirect { get; init; }

    /// <summary>
    /// The port for <c>HttpsRedirect</c>: the one at which the site is reached from outside. If not set, 443 with known proxies; without
    /// any, <c>ASPNETCORE_HTTPS_PORT</c> or the port of the server's own HTTPS address, and with neither nothing is redirected.
    /// </summary>
    [Range(1, 65_535)]
    public int? HttpsPort { get; init; }

    /// <summary>How long a browser must insist on HTTPS, days; 0 sends no Strict-Transport-Security.</summary>
    [Range(0, 730)]
    public int HstsDays { get; init; }

    internal bool HasProxies => KnownProxies.Length + KnownNetworks.Length > 0;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        KnownProxies
            .Where(text => !IPAddress.TryParse(text, out _))
            .Select(text => new ValidationResult($"Edge:KnownProxies: '{text}' is not an address."))
            .Concat(KnownNetworks
                .Where(text => !IPNetwork.TryParse(text, out _))
                .Select(text => new ValidationResult($"Edge:KnownNetworks: '{text}' is not a network.")));
}
