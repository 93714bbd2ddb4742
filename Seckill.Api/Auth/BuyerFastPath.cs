using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// The fast path of a buyer's request to its endpoint. <see cref="LoginState.BuyerPolicy"/> requires a valid token with a buyer's id and
/// nothing else, so a request that has one skips the framework's authentication and authorization. Their result would be the same, at a
/// higher cost. Every other request continues to them, and they refuse it if necessary.
/// </summary>
internal static class BuyerFastPath
{
    private sealed record BuyerEndpoint;

    /// <summary>Admits buyers only; requests with a valid token take the fast path.</summary>
    public static TBuilder RequireBuyer<TBuilder>(this TBuilder routes)
        where TBuilder : IEndpointConventionBuilder =>
        routes.RequireAuthorization(LoginState.BuyerPolicy).WithMetadata(new BuyerEndpoint());

    /// <summary>Must precede authentication; <paramref name="between"/> is the middleware between the login and the endpoint.</summary>
    public static IApplicationBuilder UseBuyerFastPath(this IApplicationBuilder app, Action<IApplicationBuilder> between)
    {
        var tokens = app.ApplicationServices.GetRequiredService<TokenCache>();
        var bearer = app.ApplicationServices.GetRequiredService<IOptionsMonitor<JwtBearerOptions>>()
            .Get(JwtBearerDefaults.AuthenticationScheme);
        var branch = app.New();
        between(branch);
        branch.Run(http => http.GetEndpoint()!.RequestDelegate!(http));
        var buyers = branch.Build();
        return app.Use(next => http =>
        {
            if (http.GetEndpoint()?.Metadata.GetMetadata<BuyerEndpoint>() is null)
            {
                return next(http);
            }

            var token = LoginToken.Of(http.Request);
            return tokens.TryGet(token, bearer.TokenValidationParameters) is { } identity ? EnterAsync(http, identity, buyers, next)
                // An authority's keys are fetched and renewed by the framework's handler.
                : token.IsEmpty || bearer.ConfigurationManager is not null ? next(http)
                : ValidateAsync(http, token.ToString(), tokens, bearer.TokenValidationParameters, buyers, next);
        });
    }

    private static async Task ValidateAsync(
        HttpContext http, string token, TokenCache tokens, TokenValidationParameters parameters, RequestDelegate buyers,
        RequestDelegate next)
    {
        var result = await tokens.ValidateTokenAsync(token, parameters);
        await (result.IsValid ? EnterAsync(http, result.ClaimsIdentity, buyers, next) : next(http));
    }

    private static Task EnterAsync(HttpContext http, ClaimsIdentity identity, RequestDelegate buyers, RequestDelegate next)
    {
        var user = new ClaimsPrincipal(identity);
        if (!user.TryGetUserId(out _))
        {
            return next(http);
        }

        http.User = user;
        return buyers(http);
    }
}
