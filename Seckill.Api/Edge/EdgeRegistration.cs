using System.Net;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.HttpsPolicy;
using Microsoft.Extensions.Options;
using Seckill.ServiceDefaults.Tracing;

namespace Seckill.Api.Edge;

/// <summary>
/// The outermost layer: the client's real address and scheme, and the headers that restrict what a browser lets a page do.
/// </summary>
internal static class EdgeRegistration
{
    private const int PublicHttpsPort = 443;
    private const string DocumentationPath = "/docs";
    private const string DataPath = "/api";
    private const string ReferrerPolicy = "Referrer-Policy";

    /// <summary>The framework's own switch: <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c>.</summary>
    private const string FrameworkSwitch = "ForwardedHeaders_Enabled";

    public static IServiceCollection AddEdge(this IServiceCollection services)
    {
        services.AddOptions<EdgeOptions>().BindConfiguration(EdgeOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        // After everything else that sets these options: the framework's switch sets them as well.
        services.AddOptions<ForwardedHeadersOptions>().PostConfigure<IOptions<EdgeOptions>>(TrustConfiguredProxies);
        services.AddOptions<TracingOptions>().Configure<IOptions<EdgeOptions>>((tracing, edge) =>
        {
            foreach (var known in edge.Value.KnownProxies.Concat(edge.Value.KnownNetworks))
            {
                tracing.KnownCallers.Add(known);
            }
        });
        services.AddOptions<HstsOptions>()
            .Configure<IOptions<EdgeOptions>>((hsts, edge) => hsts.MaxAge = TimeSpan.FromDays(edge.Value.HstsDays));
        // Behind a proxy with TLS no address of the server tells the port, and without one the middleware does nothing. Without a proxy
        // the middleware finds the server's own port, as long as none is set here.
        services.AddOptions<HttpsRedirectionOptions>().Configure<IOptions<EdgeOptions>>(
            (https, edge) => https.HttpsPort = edge.Value.HttpsPort ?? (edge.Value.HasProxies ? PublicHttpsPort : null));

        services.AddSecurityHeaderPolicies()
            .SetDefaultPolicy(policy => AddCommon(policy).AddContentSecurityPolicy(AddOwnPages))
            .AddPolicy(DocumentationPath, policy => AddCommon(policy).AddContentSecurityPolicy(csp =>
            {
                AddOwnPages(csp);
                // Scalar starts from an inline script in the page, and loads its fonts from its vendor's site.
                csp.AddScriptSrc().Self().UnsafeInline();
                csp.AddFontSrc().Self().Data().From("https://fonts.scalar.com");
            }))
            .SetPolicySelector(context => context.HttpContext.Request.Path.StartsWithSegments(DocumentationPath)
                ? context.ConfiguredPolicies[DocumentationPath]
                : context.DefaultPolicy);
        return services;
    }

    /// <summary>Must be the first middleware.</summary>
    public static IApplicationBuilder UseEdge(this IApplicationBuilder app)
    {
        var edge = app.ApplicationServices.GetRequiredService<IOptions<EdgeOptions>>().Value;
        if (edge.HasProxies && !IsAddedByFramework(app.ApplicationServices.GetRequiredService<IConfiguration>()))
        {
            app.UseForwardedHeaders();
        }

        app.UseWhen(http => !IsData(http), pages => pages.UseSecurityHeaders());
        app.Use(next => http =>
        {
            if (IsData(http))
            {
                // As late as possible, so that responses to exceptions get them too.
                http.Response.OnStarting(SetDataHeaders, http.Response);
            }

            // The default, for errors as well: a cache between us and the buyers must not serve one buyer's response to another.
            http.Response.Headers.CacheControl = "no-store";
            return next(http);
        });
        if (edge.HstsDays > 0)
        {
            app.UseHsts();
        }

        return edge.HttpsRedirect ? app.UseWhen(IsFromOutside, outside => outside.UseHttpsRedirection()) : app;

        bool IsFromOutside(HttpContext http) => !http.Request.IsProbe() && (!edge.HasProxies || CameThroughProxy(http.Request));
    }

    /// <summary>
    /// Whether the framework's switch has put the middleware in front of everything, with the options set here. A second one would go
    /// further back than <see cref="EdgeOptions.ProxyHopsMax"/>.
    /// </summary>
    private static bool IsAddedByFramework(IConfiguration configuration) =>
        string.Equals(configuration[FrameworkSwitch], "true", StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Whether a known proxy has said how the request reached it: the middleware then keeps the connection's own scheme in this header. A
    /// direct caller that sends the header redirects only itself.
    /// </summary>
    private static bool CameThroughProxy(HttpRequest request) =>
        request.Headers.ContainsKey(ForwardedHeadersDefaults.XOriginalProtoHeaderName);

    private static bool IsData(HttpContext http) => http.Request.Path.StartsWithSegments(DataPath);

    /// <summary>
    /// API responses are not pages, so everything is forbidden. Set here rather than by a policy, because every response of a sale carries
    /// it.
    /// </summary>
    private static Task SetDataHeaders(object response)
    {
        var headers = ((HttpResponse)response).Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        headers[ReferrerPolicy] = "strict-origin-when-cross-origin";
        return Task.CompletedTask;
    }

    private static void TrustConfiguredProxies(ForwardedHeadersOptions forwarded, IOptions<EdgeOptions> options)
    {
        // With empty lists the middleware would trust every sender, and the framework's switch adds it even if no proxy is known.
        forwarded.ForwardedHeaders = options.Value.HasProxies
            ? ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost
            : ForwardedHeaders.None;
        forwarded.ForwardLimit = options.Value.ProxyHopsMax;
        // Loopback is in both lists by default; only configured addresses count here.
        forwarded.KnownProxies.Clear();
        forwarded.KnownIPNetworks.Clear();
        foreach (var proxy in options.Value.KnownProxies)
        {
            forwarded.KnownProxies.Add(IPAddress.Parse(proxy));
        }

        foreach (var network in options.Value.KnownNetworks)
        {
            forwarded.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(network));
        }
    }

    private static HeaderPolicyCollection AddCommon(HeaderPolicyCollection policy) => policy
        .AddContentTypeOptionsNoSniff()
        .AddFrameOptionsDeny()
        .AddReferrerPolicyStrictOriginWhenCrossOrigin()
        .AddCrossOriginOpenerPolicy(opener => opener.SameOrigin());

    /// <summary>Pages may use resources of this site, and pictures from the shop's image servers; no site may frame them.</summary>
    private static void AddOwnPages(CspBuilder csp)
    {
        csp.AddDefaultSrc().Self();
        csp.AddStyleSrc().Self().UnsafeInline();
        csp.AddImgSrc().Self().Data().From("https:");
        csp.AddObjectSrc().None();
        csp.AddBaseUri().Self();
        csp.AddFormAction().Self();
        csp.AddFrameAncestors().None();
    }
}
