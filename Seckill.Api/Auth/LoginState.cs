using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Seckill.Api.Errors;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// Who is asking: a JWT in the Authorization header, or in the cookie that browsers send; numeric <c>sub</c>, optional <c>role</c>.
/// </summary>
public static class LoginState
{
    public const string BuyerPolicy = "buyer";
    public const string OperatorPolicy = "operator";

    public static IServiceCollection AddLoginState(this IServiceCollection services)
    {
        services.AddOptions<AuthOptions>().BindConfiguration(AuthOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddOptions<OpsOptions>().BindConfiguration(OpsOptions.Section).ValidateDataAnnotations().ValidateOnStart();

        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme)
            .AddJwtBearer()
            .AddScheme<AuthenticationSchemeOptions, OpsKeyAuthentication>(OpsKeyAuthentication.Scheme, null);
        services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme)
            .Configure<IOptions<AuthOptions>, TokenCache, TimeProvider>(Configure);
        services.AddSingleton<TokenCache>();

        services.AddAuthorizationBuilder()
            .AddPolicy(BuyerPolicy, policy => policy.RequireAssertion(context => context.User.TryGetUserId(out _)))
            .AddPolicy(OperatorPolicy, policy => policy
                .AddAuthenticationSchemes(JwtBearerDefaults.AuthenticationScheme, OpsKeyAuthentication.Scheme)
                .RequireClaim(LoginOptions.RoleClaim, LoginOptions.OperatorRole));
        return services;
    }

    /// <summary>The buyer's id; endpoints behind <see cref="BuyerPolicy"/> always have one.</summary>
    public static long UserId(this ClaimsPrincipal user) =>
        user.TryGetUserId(out var id) ? id : throw new InvalidOperationException("The endpoint must require the buyer policy.");

    internal static bool TryGetUserId(this ClaimsPrincipal user, out long id) =>
        long.TryParse(user.FindFirst(LoginOptions.SubjectClaim)?.Value, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id > 0;

    private static void Configure(JwtBearerOptions bearer, IOptions<AuthOptions> options, TokenCache tokens, TimeProvider time)
    {
        bearer.TimeProvider = time;
        // Claims keep the names they have in the token.
        bearer.MapInboundClaims = false;
        // Nobody asks for the token's text again.
        bearer.SaveToken = false;
        bearer.TokenHandlers.Clear();
        bearer.TokenHandlers.Add(tokens);
        bearer.TokenValidationParameters = options.Value.ToValidationParameters();
        bearer.Events = new JwtBearerEvents
        {
            OnMessageReceived = context =>
            {
                if (!context.Request.Headers.ContainsKey("Authorization"))
                {
                    context.Token = context.Request.Cookies[LoginOptions.Cookie];
                }

                return Task.CompletedTask;
            },
            OnChallenge = async context =>
            {
                context.HandleResponse();
                context.Response.Headers.WWWAuthenticate = JwtBearerDefaults.AuthenticationScheme;
                if (!context.Response.HasStarted)
                {
                    await ErrorResult.Unauthorized.ExecuteAsync(context.HttpContext);
                }
            },
            // Logged in, but as nobody who could buy: that is no login state.
            OnForbidden = context => (context.HttpContext.User.TryGetUserId(out _) ? ErrorResult.Forbidden : ErrorResult.Unauthorized)
                .ExecuteAsync(context.HttpContext),
        };
    }
}
