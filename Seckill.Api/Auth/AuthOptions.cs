using System.ComponentModel.DataAnnotations;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>Section <c>Auth</c>: which tokens are accepted, and how many validated tokens are cached.</summary>
public sealed class AuthOptions : LoginOptions
{
    /// <summary>
    /// Maximum validated tokens to cache, 200 to 250 bytes each; 0 disables the cache, so that every token is validated every time.
    /// </summary>
    [Range(0, 10_000_000)]
    public int TokensRememberedMax { get; init; } = 200_000;
}

/// <summary>Section <c>Ops</c>: a key for machines that operate the system, such as the AppHost's dashboard command.</summary>
public sealed class OpsOptions
{
    public const string Section = "Ops";

    /// <summary>Value of the header <c>X-Ops-Key</c>, 16 characters or more; empty disables it.</summary>
    [RegularExpression(".{16,}", ErrorMessage = "Ops:Key must be empty or have 16 characters or more.")]
    public string Key { get; init; } = "";
}
