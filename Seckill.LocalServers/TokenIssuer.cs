using System.Globalization;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Seckill.LocalServers;

/// <summary>Signs the buyers' tokens as the shop's login would: requesting each over HTTP would measure the login instead.</summary>
public sealed class TokenIssuer
{
    private const int LifetimeHours = 2;

    private readonly JsonWebTokenHandler _handler = new();
    private readonly SigningCredentials _credentials;
    private readonly string _issuer;
    private readonly string _audience;

    /// <param name="signingKey">HS256 key, 32 bytes of UTF-8 or more.</param>
    /// <param name="issuer">Claim <c>iss</c>.</param>
    /// <param name="audience">Claim <c>aud</c>.</param>
    /// <param name="keyId">Header <c>kid</c>; null for none.</param>
    public TokenIssuer(string signingKey, string issuer = "seckill", string audience = "seckill", string? keyId = null)
    {
        var key = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(signingKey)) { KeyId = keyId };
        _credentials = new SigningCredentials(key, SecurityAlgorithms.HmacSha256);
        _issuer = issuer;
        _audience = audience;
    }

    public string ForBuyer(long userId) => For(userId.ToString(CultureInfo.InvariantCulture));

    public string ForOperator() => For("1", "operator");

    /// <summary>For any subject and role; valid for two hours by default.</summary>
    public string For(string subject, string? role = null, TimeSpan? lifetime = null)
    {
        var claims = new Dictionary<string, object> { ["sub"] = subject };
        if (role is not null)
        {
            claims["role"] = role;
        }

        return _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = _issuer,
            Audience = _audience,
            Claims = claims,
            Expires = DateTime.UtcNow.Add(lifetime ?? TimeSpan.FromHours(LifetimeHours)),
            SigningCredentials = _credentials,
        });
    }
}
