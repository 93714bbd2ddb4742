using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// Authenticates an operator by the header <c>X-Ops-Key</c>, when a key is configured. The framework would log two lines for each wrong
/// key, neither with the sender's address; <see cref="WrongKeys"/> logs it instead.
/// </summary>
internal sealed class OpsKeyAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, UrlEncoder encoder, IOptionsMonitor<OpsOptions> ops, WrongKeys wrong)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, NullLoggerFactory.Instance, encoder)
{
    public new const string Scheme = "OpsKey";
    public const string Header = "X-Ops-Key";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var sent = Request.Headers[Header].ToString();
        var key = ops.CurrentValue.Key;
        if (sent.Length == 0 || key.Length == 0)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        // In constant time, so that the response time reveals nothing about the key.
        if (!CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(sent), Encoding.UTF8.GetBytes(key)))
        {
            wrong.Note(Context.Connection.RemoteIpAddress);
            return Task.FromResult(AuthenticateResult.Fail("wrong key"));
        }

        var identity = new ClaimsIdentity([new Claim(LoginOptions.RoleClaim, LoginOptions.OperatorRole)], Scheme);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme)));
    }

    /// <summary>The bearer scheme, which is registered as well, writes the response.</summary>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties) => Task.CompletedTask;

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Task.CompletedTask;
}
