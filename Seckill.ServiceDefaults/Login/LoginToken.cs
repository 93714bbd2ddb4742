using Microsoft.AspNetCore.Http;

namespace Seckill.ServiceDefaults.Login;

/// <summary>Finds the token of a request.</summary>
public static class LoginToken
{
    private const string Prefix = "Bearer ";

    /// <summary>
    /// Whether the header <c>Authorization</c> contains it. Another scheme in that header, such as a proxy's own password, does not hide
    /// the cookie.
    /// </summary>
    public static bool IsInHeader(HttpRequest request) =>
        request.Headers.Authorization.ToString().StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>The header's token, otherwise the cookie's; empty when there is neither.</summary>
    public static ReadOnlySpan<char> Of(HttpRequest request) => IsInHeader(request)
        ? request.Headers.Authorization.ToString().AsSpan(Prefix.Length).Trim()
        : request.Cookies[LoginOptions.Cookie];
}
