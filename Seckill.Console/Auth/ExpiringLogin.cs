using System.Globalization;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;

namespace Seckill.Console.Auth;

/// <summary>An open page must not outlive its login: the token's expiry is checked periodically.</summary>
internal sealed class ExpiringLogin(ILoggerFactory loggers, TimeProvider time) : RevalidatingServerAuthenticationStateProvider(loggers)
{
    private const int RevalidationSeconds = 30;

    protected override TimeSpan RevalidationInterval => TimeSpan.FromSeconds(RevalidationSeconds);

    protected override Task<bool> ValidateAuthenticationStateAsync(
        AuthenticationState authenticationState, CancellationToken cancellationToken) =>
        Task.FromResult(
            long.TryParse(
                authenticationState.User.FindFirst(ConsoleLogin.ExpiryClaim)?.Value, NumberStyles.None, CultureInfo.InvariantCulture,
                out var expiresAtSeconds)
            && time.GetUtcNow().ToUnixTimeSeconds() < expiresAtSeconds);
}
