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
/// Takes the header <c>X-Ops-Key</c> for an operator, when a key is configured. The framework would write two lines for each wrong one, and
/// none of them says who sent it: <see cref="WrongKeys"/> does.
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

        // In fixed time, so that the answer's speed tells nothing of the key.
        if (!CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(sent), Encoding.UTF8.GetBytes(key)))
        {
            wrong.Note(Context.Connection.RemoteIpAddress);
            return Task.FromResult(AuthenticateResult.Fail("wrong key"));
        }

        var identity = new ClaimsIdentity([new Claim(LoginOptions.RoleClaim, LoginOptions.OperatorRole)], Scheme);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme)));
    }

    /// <summary>The bearer scheme beside this one writes the answer.</summary>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties) => Task.CompletedTask;

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Task.CompletedTask;
}
