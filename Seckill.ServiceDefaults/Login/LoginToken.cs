using Microsoft.AspNetCore.Http;

namespace Seckill.ServiceDefaults.Login;

/// <summary>Where a request carries its token.</summary>
public static class LoginToken
{
    private const string Prefix = "Bearer ";

    /// <summary>
    /// Whether the header <c>Authorization</c> has it. Another scheme there, as a proxy's own password, is not ours and hides no cookie.
    /// </summary>
    public static bool IsInHeader(HttpRequest request) =>
        request.Headers.Authorization.ToString().StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>The header's token, else the cookie's; empty when there is neither.</summary>
    public static ReadOnlySpan<char> Of(HttpRequest request) => IsInHeader(request)
        ? request.Headers.Authorization.ToString().AsSpan(Prefix.Length).Trim()
        : request.Cookies[LoginOptions.Cookie];
}
