using System.Globalization;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Seckill.Console.Auth;
using Seckill.Console.Demo;
using Seckill.Console.Ops;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Console.Login;

/// <summary>The targets of the login page's forms. All need the page's antiforgery token.</summary>
internal static class LoginEndpoints
{
    private const int TokenCharactersMax = 4_096;

    /// <summary>
    /// A form from a page rendered before a key change, or from another site, leads to a fresh login page that says so. Must run after
    /// antiforgery.
    /// </summary>
    public static IApplicationBuilder UseOldFormsGuard(this IApplicationBuilder app) => app.Use(next => http =>
    {
        if (http.Features.Get<IAntiforgeryValidationFeature>() is not { IsValid: false })
        {
            return next(http);
        }

        http.Response.Redirect(ConsoleLogin.LoginAddress(returnTo: null, LoginFault.OldPage));
        return Task.CompletedTask;
    });

    public static IEndpointRouteBuilder MapLogin(this WebApplication routes)
    {
        routes.MapPost("/login/token", TakeTokenAsync);
        routes.MapPost(ConsoleLogin.LogoutPath, LogOut);
        if (DemoLoginDoor.IsThere(routes.Environment))
        {
            routes.MapPost("/login/demo", DemoAsync);
        }

        return routes;
    }

    private static async Task<IResult> TakeTokenAsync(
        HttpContext http, IOptionsMonitor<JwtBearerOptions> bearer, [FromForm] string? token, [FromForm(Name = "return")] string? returnTo)
    {
        token = token?.Trim();
        if (token is not { Length: > 0 and <= TokenCharactersMax })
        {
            return Refused(LoginFault.BadToken, returnTo);
        }

        return await LogInAsync(http, bearer, token, returnTo);
    }

    private static async Task<IResult> DemoAsync(
        HttpContext http, IOptions<LoginOptions> options, IOptionsMonitor<JwtBearerOptions> bearer, DemoShop shop,
        [FromForm(Name = "user_id")] string? userId, [FromForm(Name = "return")] string? returnTo, CancellationToken cancellationToken)
    {
        if (!DemoLoginDoor.IsOpenTo(http, options.Value))
        {
            return Refused(LoginFault.DemoElsewhere, returnTo);
        }

        if (!long.TryParse(userId, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id < 1)
        {
            return Refused(LoginFault.BadUserId, returnTo);
        }

        try
        {
            return await LogInAsync(http, bearer, await shop.LogInAsync(id, LoginOptions.OperatorRole, cancellationToken), returnTo);
        }
        catch (Exception exception)
            when (exception is OpsRefusedException || (OpsApi.IsNoAnswer(exception) && !cancellationToken.IsCancellationRequested))
        {
            return Refused(LoginFault.ApiAway, returnTo);
        }
    }

    private static async Task<IResult> LogInAsync(
        HttpContext http, IOptionsMonitor<JwtBearerOptions> bearer, string token, string? returnTo)
    {
        var handler = new JsonWebTokenHandler { MapInboundClaims = false };
        var result = await handler.ValidateTokenAsync(token, ConsoleLogin.ParametersOf(bearer.Get(JwtBearerDefaults.AuthenticationScheme)));
        if (!result.IsValid)
        {
            return Refused(LoginFault.BadToken, returnTo);
        }

        if (!result.ClaimsIdentity.HasClaim(LoginOptions.RoleClaim, LoginOptions.OperatorRole))
        {
            return Refused(LoginFault.NotAnOperator, returnTo);
        }

        http.Response.Cookies.Append(LoginOptions.OperatorCookie, token, new CookieOptions
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Lax,
            Secure = http.Request.IsHttps,
            Expires = ExpiryOf(result.SecurityToken),
            Path = "/",
        });
        return Results.LocalRedirect(ConsoleLogin.LocalPath(returnTo));
    }

    private static DateTimeOffset ExpiryOf(SecurityToken token) => new(token.ValidTo, TimeSpan.Zero);

    private static IResult LogOut(HttpContext http, [FromForm(Name = "return")] string? returnTo)
    {
        http.Response.Cookies.Delete(LoginOptions.OperatorCookie, new CookieOptions { Path = "/" });
        // With an operator's token in the shop's cookie, the next page would not need a login. A buyer stays logged in.
        if (IsForOperator(http.Request.Cookies[LoginOptions.Cookie]))
        {
            http.Response.Cookies.Delete(LoginOptions.Cookie, new CookieOptions { Path = "/" });
        }

        return Results.LocalRedirect(ConsoleLogin.LoginAddress(returnTo, fault: null));
    }

    private static bool IsForOperator(string? token)
    {
        try
        {
            return !string.IsNullOrEmpty(token) && new JsonWebTokenHandler().ReadJsonWebToken(token).Claims.Any(
                claim => claim is { Type: LoginOptions.RoleClaim, Value: LoginOptions.OperatorRole });
        }
        catch (Exception exception) when (exception is ArgumentException or SecurityTokenException)
        {
            // Not a token at all, such as another application's cookie of this name.
            return false;
        }
    }

    private static IResult Refused(LoginFault fault, string? returnTo) =>
        Results.LocalRedirect(ConsoleLogin.LoginAddress(returnTo, fault));
}
