using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Console.Auth;

/// <summary>
/// Authenticates operators: the Api's own JWT, in the console's cookie or in the shop's, with <c>role</c> = <c>operator</c>.
/// </summary>
public static class ConsoleLogin
{
    public const string OperatorPolicy = "operator";
    public const string LoginPath = "/login";
    public const string LogoutPath = "/logout";

    internal const string ExpiryClaim = "exp";

    public static IServiceCollection AddConsoleLogin(this IServiceCollection services)
    {
        services.AddOptions<LoginOptions>().BindConfiguration(LoginOptions.Section).ValidateDataAnnotations()
            .Validate<IHostEnvironment>(
                (auth, environment) => PublishedKeys.MayBeUsed(environment, auth.AllKeys), PublishedKeys.LoginRefused)
            .ValidateOnStart();
        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer();
        services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme)
            .Configure<IOptions<LoginOptions>, TimeProvider>(Configure);
        services.AddAuthorizationBuilder()
            .AddPolicy(OperatorPolicy, policy => policy.RequireClaim(LoginOptions.RoleClaim, LoginOptions.OperatorRole));
        services.AddCascadingAuthenticationState();
        services.AddScoped<AuthenticationStateProvider, ExpiringLogin>();
        return services;
    }

    /// <summary>The token that the user logged in with, for calls to the Api on the user's behalf; null without a login.</summary>
    public static string? Token(this ClaimsPrincipal user) => (user.Identity as ClaimsIdentity)?.BootstrapContext as string;

    /// <summary>
    /// A path of this console, or its first page: a login must not redirect elsewhere. Paths arrive encoded, and no other character may
    /// appear in the redirect's header.
    /// </summary>
    internal static string LocalPath(string? path) =>
        path is ['/'] or ['/', not ('/' or '\\'), ..] && path.All(c => c is > ' ' and < '\x7f') ? path : "/";

    private static void Configure(JwtBearerOptions bearer, IOptions<LoginOptions> options, TimeProvider time)
    {
        bearer.TimeProvider = time;
        bearer.MapInboundClaims = false;
        bearer.Authority = options.Value.Authority;
        bearer.RequireHttpsMetadata = options.Value.AuthorityNeedsTls;
        bearer.AutomaticRefreshInterval = LoginOptions.AuthorityTrustedFor;
        bearer.TokenValidationParameters = options.Value.ToValidationParameters();
        bearer.Events = new JwtBearerEvents
        {
            OnMessageReceived = context =>
            {
                var cookies = context.Request.Cookies;
                context.Token = cookies[LoginOptions.OperatorCookie] ?? cookies[LoginOptions.Cookie];
                return Task.CompletedTask;
            },
            OnTokenValidated = context =>
            {
                // It stays on the server, with the identity of the circuit.
                ((ClaimsIdentity)context.Principal!.Identity!).BootstrapContext = ((JsonWebToken)context.SecurityToken).EncodedToken;
                return Task.CompletedTask;
            },
            OnChallenge = context =>
            {
                context.HandleResponse();
                GoToLogin(context.HttpContext, fault: null);
                return Task.CompletedTask;
            },
            OnForbidden = context =>
            {
                GoToLogin(context.HttpContext, fault: LoginFault.NotAnOperator);
                return Task.CompletedTask;
            },
        };
    }

    /// <summary>The conditions that a token must meet, with the authority's keys where there is one.</summary>
    internal static TokenValidationParameters ParametersOf(JwtBearerOptions bearer)
    {
        var parameters = bearer.TokenValidationParameters.Clone();
        parameters.ConfigurationManager = bearer.ConfigurationManager as BaseConfigurationManager;
        return parameters;
    }

    /// <summary>The login page's address, with a path of this console to return to.</summary>
    internal static string LoginAddress(string? returnTo, LoginFault? fault)
    {
        var query = new QueryString().Add("return", LocalPath(returnTo));
        return LoginPath + (fault is null ? query : query.Add("fault", fault.Value.ToString()));
    }

    private static void GoToLogin(HttpContext http, LoginFault? fault) =>
        http.Response.Redirect(LoginAddress(http.Request.Path + http.Request.QueryString, fault));
}

/// <summary>The reason for a failed login, as it appears in the login page's address.</summary>
public enum LoginFault
{
    NotAnOperator,
    BadToken,
    RefusedByApi,
    ApiAway,
    BadUserId,
    DemoElsewhere,
    OldPage,
}
