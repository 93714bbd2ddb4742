using System.ComponentModel.DataAnnotations;

namespace Seckill.Console.Auth;

/// <summary>Section <c>Auth</c>, the same as the Api's: whose tokens are believed.</summary>
public sealed class LoginOptions
{
    public const string Section = "Auth";

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
}
