using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Auth;

/// <summary>Section <c>Auth</c>: whose tokens are believed.</summary>
public sealed class AuthOptions
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

    /// <summary>Valid tokens whose check is remembered, 100 to 200 bytes each; 0 checks each token each time.</summary>
    [Range(0, 10_000_000)]
    public int TokensRememberedMax { get; init; } = 200_000;
}

/// <summary>Section <c>Ops</c>: a key for machines that operate the system, such as the AppHost's dashboard command.</summary>
public sealed class OpsOptions
{
    public const string Section = "Ops";

    /// <summary>Value of the header <c>X-Ops-Key</c>, 16 characters or more; empty switches it off.</summary>
    [RegularExpression(".{16,}", ErrorMessage = "Ops:Key must be empty or have 16 characters or more.")]
    public string Key { get; init; } = "";
}
