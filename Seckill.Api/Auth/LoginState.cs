using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Seckill.Api.Errors;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// The caller's identity: a JWT in the Authorization header, or in the cookie that browsers send; numeric <c>sub</c>, optional <c>role</c>.
/// </summary>
public static class LoginState
{
    public const string BuyerPolicy = "buyer";
    public const string OperatorPolicy = "operator";

    public static IServiceCollection AddLoginState(this IServiceCollection services)
    {
        services.AddOptions<AuthOptions>().BindConfiguration(AuthOptions.Section).ValidateDataAnnotations()
            .Validate<IHostEnvironment>(
                (auth, environment) => PublishedKeys.MayBeUsed(environment, auth.AllKeys), PublishedKeys.LoginRefused)
            .ValidateOnStart();
        services.AddOptions<OpsOptions>().BindConfiguration(OpsOptions.Section).ValidateDataAnnotations()
            .Validate<IHostEnvironment>(
                (ops, environment) => PublishedKeys.MayBeUsed(environment, [ops.Key]),
                "Ops:Key is one that everybody knows: set a random one of your own.")
            .ValidateOnStart();

        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme)
            .AddJwtBearer()
            .AddScheme<AuthenticationSchemeOptions, OpsKeyAuthentication>(OpsKeyAuthentication.Scheme, null);
        services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme)
            .Configure<IOptions<AuthOptions>, TokenCache, TimeProvider>(Configure);
        services.AddSingleton<TokenCache>();
        services.AddSingleton<WrongKeys>();

        services.AddAuthorizationBuilder()
            .AddPolicy(BuyerPolicy, policy => policy.RequireAssertion(context => context.User.TryGetUserId(out _)))
            .AddPolicy(OperatorPolicy, policy => policy
                .AddAuthenticationSchemes(JwtBearerDefaults.AuthenticationScheme, OpsKeyAuthentication.Scheme)
                .RequireAssertion(context => context.User.OperatorIdentity() is not null));
        return services;
    }

    /// <summary>The buyer's id; endpoints behind <see cref="BuyerPolicy"/> always have one.</summary>
    public static long UserId(this ClaimsPrincipal user) =>
        user.TryGetUserId(out var id) ? id : throw new InvalidOperationException("The endpoint must require the buyer policy.");

    /// <summary>
    /// The identity that has the operators' role and a subject fit for the audit log: a token without a subject, or with an overlong or
    /// unprintable one, grants no rights. A person's identity takes precedence over the machines' key.
    /// </summary>
    internal static ClaimsIdentity? OperatorIdentity(this ClaimsPrincipal user)
    {
        var operators = user.Identities.Where(identity => identity.HasClaim(LoginOptions.RoleClaim, LoginOptions.OperatorRole)).ToList();
        return operators.Find(identity => IsName(identity.FindFirst(LoginOptions.SubjectClaim)?.Value))
            ?? operators.Find(identity => identity.AuthenticationType == OpsKeyAuthentication.Scheme);
    }

    private static bool IsName(string? subject) =>
        subject is { Length: > 0 and <= LoginOptions.SubjectLengthMax }
        && !string.IsNullOrWhiteSpace(subject) && !subject.Any(c => char.IsControl(c) || char.IsSurrogate(c));

    /// <summary>Reads the claim that <c>Auth:BuyerClaim</c> names; every token identity uses it as its name claim.</summary>
    internal static bool TryGetUserId(this ClaimsPrincipal user, out long id)
    {
        foreach (var identity in user.Identities)
        {
            // A number has exactly one form: "007" is a different subject, not buyer 7.
            if (identity.Name is [not '0', ..] name && long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out id))
            {
                return true;
            }
        }

        id = 0;
        return false;
    }

    private static void Configure(JwtBearerOptions bearer, IOptions<AuthOptions> options, TokenCache tokens, TimeProvider time)
    {
        bearer.TimeProvider = time;
        // Claims keep the names they have in the token.
        bearer.MapInboundClaims = false;
        // The token's text is not needed again.
        bearer.SaveToken = false;
        bearer.TokenHandlers.Clear();
        bearer.TokenHandlers.Add(tokens);
        bearer.Authority = options.Value.Authority;
        bearer.RequireHttpsMetadata = options.Value.AuthorityNeedsTls;
        bearer.AutomaticRefreshInterval = LoginOptions.AuthorityTrustedFor;
        bearer.TokenValidationParameters = options.Value.ToValidationParameters();
        bearer.Events = new JwtBearerEvents
        {
            OnMessageReceived = context =>
            {
                if (!LoginToken.IsInHeader(context.Request))
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
            // Authenticated but without a buyer id: answer 401, as if not logged in.
            OnForbidden = context => (context.HttpContext.User.TryGetUserId(out _) ? ErrorResult.Forbidden : ErrorResult.Unauthorized)
                .ExecuteAsync(context.HttpContext),
        };
    }
}
