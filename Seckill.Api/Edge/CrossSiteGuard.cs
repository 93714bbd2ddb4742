using Microsoft.AspNetCore.Authorization;
using Seckill.Api.Errors;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Edge;

/// <summary>
/// Prevents other sites' pages from acting on a visitor's behalf: where only the cookie identifies the caller, changes and WebSockets are
/// accepted only from this site's own pages. Programs send a token or a key instead; they need not state an origin.
/// </summary>
internal static class CrossSiteGuard
{
    /// <summary>Must precede authentication: a refusal does not depend on whose cookie it is.</summary>
    public static IApplicationBuilder UseCrossSiteGuard(this IApplicationBuilder app) =>
        app.Use(next => http => IsRefused(http) ? ErrorResult.CrossSite.ExecuteAsync(http) : next(http));

    private static bool IsRefused(HttpContext http)
    {
        var request = http.Request;
        var isSocket = http.WebSockets.IsWebSocketRequest;
        // Endpoints without a login never act on anybody's behalf.
        var isSafe = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method);
        if ((!isSocket && isSafe)
            || http.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is null)
        {
            return false;
        }

        if (!LoginToken.IsInHeader(request) && request.Cookies.ContainsKey(LoginOptions.Cookie))
        {
            return OwnSite.IsElsewhere(request);
        }

        // Only browsers send an Origin, and CORS does not apply to WebSockets.
        return isSocket && request.Headers.Origin.Count > 0 && !OwnSite.IsOwn(request.Headers.Origin.ToString(), request.Host);
    }
}
