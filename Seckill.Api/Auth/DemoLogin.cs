using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Seckill.Api.Errors;
using Seckill.Api.Requests;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>The buyer to log in as.</summary>
public sealed class DemoLoginRequest
{
    /// <summary>The buyer's id, 1 or more.</summary>
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public long? UserId { get; init; }

    /// <summary>null for a buyer, or "operator".</summary>
    public string? Role { get; init; }
}

public sealed record DemoLoginResponse(string Token, long ExpiresAtMs);

/// <summary>A login without a password, for trying out the system: see <see cref="DemoLoginDoor"/>.</summary>
public static class DemoLogin
{
    private const int TokenHours = 12;

    public static IEndpointRouteBuilder MapDemoLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/demo/login", LogInAsync)
            .WithName("DemoLogin")
            .WithTags("Demo")
            .WithSummary("Development only, and on this machine: a token (also set as a cookie) for any user id.")
            .Accepts<DemoLoginRequest>("application/json")
            .Produces<DemoLoginResponse>()
            .ProducesErrors(400, 403, 415);
        return routes;
    }

    private static async Task<IResult> LogInAsync(HttpContext http, IOptions<AuthOptions> options, TimeProvider time)
    {
        if (!DemoLoginDoor.IsOpenTo(http, options.Value))
        {
            return ErrorResult.DemoLoginElsewhere;
        }

        var (request, malformed) = await JsonBody.ReadAsync(http.Request, ApiJson.Web.DemoLoginRequest, http.RequestAborted);
        if (request is null)
        {
            return malformed!;
        }

        if (request.UserId is not > 0)
        {
            return ErrorResult.BadRequest("user_id must be positive");
        }

        if (request.Role is not (null or LoginOptions.OperatorRole))
        {
            return ErrorResult.BadRequest("role must be absent or \"operator\"");
        }

        var auth = options.Value;
        var now = time.GetUtcNow();
        var expires = now.AddHours(TokenHours);
        var claims = new Dictionary<string, object>
        {
            [LoginOptions.SubjectClaim] = request.UserId.Value.ToString(CultureInfo.InvariantCulture),
        };
        if (request.Role is not null)
        {
            claims[LoginOptions.RoleClaim] = request.Role;
        }

        var token = new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = auth.Issuer,
            Audience = auth.Audience,
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = expires.UtcDateTime,
            Claims = claims,
            SigningCredentials = new SigningCredentials(auth.ToSigningKey(), SecurityAlgorithms.HmacSha256),
        });
        // Lax cookies and JSON-only endpoints: another site's form cannot buy on a visitor's behalf.
        http.Response.Cookies.Append(LoginOptions.Cookie, token, new CookieOptions
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Lax,
            Secure = http.Request.IsHttps,
            Expires = expires,
            Path = "/",
        });
        return TypedResults.Json(new DemoLoginResponse(token, expires.ToUnixTimeMilliseconds()), ApiJson.Web.DemoLoginResponse);
    }
}
