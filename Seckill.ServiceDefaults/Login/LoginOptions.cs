using System.ComponentModel.DataAnnotations;
using System.Text;
using Microsoft.IdentityModel.Tokens;

namespace Seckill.ServiceDefaults.Login;

/// <summary>Section <c>Auth</c>: whose tokens are believed, the same in every application, so that one login serves them all.</summary>
public class LoginOptions
{
    public const string Section = "Auth";
    public const string SubjectClaim = "sub";
    public const string RoleClaim = "role";
    public const string OperatorRole = "operator";

    /// <summary>The cookie that browsers send the token in.</summary>
    public const string Cookie = "seckill_token";

    [Required]
    public string Issuer { get; init; } = "";

    [Required]
    public string Audience { get; init; } = "";

    /// <summary>Key of the HMAC-SHA256 signature, UTF-8, 32 bytes or more.</summary>
    [Required, MinLength(32)]
    public string SigningKey { get; init; } = "";

    /// <summary>How far clocks may run apart, s.</summary>
    [Range(0, 300)]
    public int ClockSkewSeconds { get; init; } = 30;

    /// <summary>What a token must fulfil. Claims keep the names that they have in it.</summary>
    public TokenValidationParameters ToValidationParameters() => new()
    {
        ValidIssuer = Issuer,
        ValidAudience = Audience,
        IssuerSigningKey = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(SigningKey)),
        ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
        RequireExpirationTime = true,
        ClockSkew = TimeSpan.FromSeconds(ClockSkewSeconds),
        NameClaimType = SubjectClaim,
        RoleClaimType = RoleClaim,
    };
}
