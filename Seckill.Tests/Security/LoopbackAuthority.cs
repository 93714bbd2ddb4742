using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Seckill.Tests.Security;

/// <summary>An OpenID Connect provider, as far as a resource server sees it: a description, and public keys.</summary>
internal sealed class LoopbackAuthority : IAsyncDisposable
{
    public const string BuyerClaim = "buyer_no";

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly WebApplication _provider;

    private LoopbackAuthority(WebApplication provider, string url) => (_provider, Url) = (provider, url);

    public string Url { get; }

    public static async Task<LoopbackAuthority> StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var url = $"http://127.0.0.1:{LoopbackPorts.Take()}";
        builder.WebHost.UseKestrelCore().UseUrls(url);
        builder.Logging.ClearProviders();
        var provider = builder.Build();
        var authority = new LoopbackAuthority(provider, url);
        provider.Run(authority.AnswerAsync);
        await provider.StartAsync(cancellationToken);
        return authority;
    }

    public string Sign(string algorithm, string subject, string? buyer, string? role = null, string audience = "seckill")
    {
        var claims = new Dictionary<string, object> { ["sub"] = subject };
        if (buyer is not null)
        {
            claims[BuyerClaim] = buyer;
        }

        if (role is not null)
        {
            claims["role"] = role;
        }

        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Url,
            Audience = audience,
            Claims = claims,
            Expires = DateTime.UtcNow.AddHours(1),
            SigningCredentials = new SigningCredentials(algorithm.StartsWith('E') ? EcKey : RsaKey, algorithm),
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _provider.DisposeAsync();
        _rsa.Dispose();
        _ec.Dispose();
    }

    private RsaSecurityKey RsaKey => new(_rsa) { KeyId = "rsa" };

    private ECDsaSecurityKey EcKey => new(_ec) { KeyId = "ec" };

    private Task AnswerAsync(HttpContext http)
    {
        var (rsa, ec) = (_rsa.ExportParameters(false), _ec.ExportParameters(false));
        return http.Response.WriteAsJsonAsync<object>(http.Request.Path == "/keys"
            ? new
            {
                keys = new object[]
                {
                    new { kty = "RSA", kid = "rsa", use = "sig", n = Text(rsa.Modulus!), e = Text(rsa.Exponent!) },
                    new { kty = "EC", kid = "ec", use = "sig", crv = "P-256", x = Text(ec.Q.X!), y = Text(ec.Q.Y!) },
                },
            }
            : new { issuer = Url, jwks_uri = Url + "/keys" });
    }

    private static string Text(byte[] bytes) => Base64UrlEncoder.Encode(bytes);
}
