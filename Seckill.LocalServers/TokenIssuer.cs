using System.Globalization;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Seckill.LocalServers;

/// <summary>Signs the buyers' tokens as the shop's login would: asking for each over HTTP would measure the login instead.</summary>
public sealed class TokenIssuer
{
    /// <summary>What appsettings.Development.json holds; a real deployment's key is given as an option.</summary>
    public const string DevelopmentKey = "development-only-signing-key-0123456789abcdef";

    private const int LifetimeHours = 2;

    private readonly JsonWebTokenHandler _handler = new();
    private readonly SigningCredentials _credentials;
    private readonly string _issuer;
    private readonly string _audience;

    /// <param name="signingKey">HS256 key, 32 bytes of UTF-8 or more.</param>
    /// <param name="issuer">Claim <c>iss</c>.</param>
    /// <param name="audience">Claim <c>aud</c>.</param>
    public TokenIssuer(string signingKey, string issuer = "seckill", string audience = "seckill")
    {
        _credentials = new SigningCredentials(new SymmetricSecurityKey(Encoding.UTF8.GetBytes(signingKey)), SecurityAlgorithms.HmacSha256);
        _issuer = issuer;
        _audience = audience;
    }

    public string ForBuyer(long userId) => Sign(userId, role: null);

    public string ForOperator() => Sign(1, "operator");

    private string Sign(long userId, string? role)
    {
        var claims = new Dictionary<string, object> { ["sub"] = userId.ToString(CultureInfo.InvariantCulture) };
        if (role is not null)
        {
            claims["role"] = role;
        }

        return _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = _issuer,
            Audience = _audience,
            Claims = claims,
            Expires = DateTime.UtcNow.AddHours(LifetimeHours),
            SigningCredentials = _credentials,
        });
    }
}
