using System.Globalization;
using System.Security.Claims;
using Microsoft.Extensions.Options;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// The caller's identity; null without a login. <see cref="DemoLogin"/> says whether a login without a password is offered, for trying out
/// the system.
/// </summary>
public sealed record SessionResponse(string? UserId, string? Role, bool DemoLogin, long NowMs);

public static class SessionEndpoint
{
    public static IEndpointRouteBuilder MapSession(this IEndpointRouteBuilder routes)
    {
        var demoLogin = DemoLoginDoor.IsThere(routes.ServiceProvider.GetRequiredService<IHostEnvironment>());
        routes.MapGet("/api/session", (HttpContext http, ClaimsPrincipal user, IOptions<AuthOptions> auth, TimeProvider time) =>
                TypedResults.Json(
                    new SessionResponse(
                        user.TryGetUserId(out var id) ? id.ToString(CultureInfo.InvariantCulture) : null,
                        user.FindFirst(LoginOptions.RoleClaim)?.Value,
                        demoLogin && DemoLoginDoor.IsOpenTo(http, auth.Value),
                        time.GetUtcNow().ToUnixTimeMilliseconds()),
                    ApiJson.Web.SessionResponse))
            .WithName("Session")
            .WithTags("Orders")
            .WithSummary("Who is logged in, and the server's clock.")
            .Produces<SessionResponse>();
        return routes;
    }
}
