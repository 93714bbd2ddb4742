using Microsoft.AspNetCore.Authorization;
using Seckill.Api.Errors;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Edge;

/// <summary>
/// Nobody acts in a visitor's name from another site's page: what changes something, and a WebSocket, needs a page of ours where the cookie
/// alone identifies the caller. Programs, which send a token or a key, are not browsers and need not say where they come from.
/// </summary>
internal static class CrossSiteGuard
{
    /// <summary>Goes before authentication: a refusal does not depend on whose cookie it is.</summary>
    public static IApplicationBuilder UseCrossSiteGuard(this IApplicationBuilder app) =>
        app.Use(next => http => IsRefused(http) ? ErrorResult.CrossSite.ExecuteAsync(http) : next(http));

    private static bool IsRefused(HttpContext http)
    {
        var request = http.Request;
        var isSocket = http.WebSockets.IsWebSocketRequest;
        // Nothing is done in anybody's name where nobody has to be logged in.
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

        // Only a browser names an origin, and no CORS stands between its page and a socket.
        return isSocket && request.Headers.Origin.Count > 0 && !OwnSite.IsOwn(request.Headers.Origin.ToString(), request.Host);
    }
}
