using System.ComponentModel.DataAnnotations;
using System.Text;
using Microsoft.IdentityModel.Tokens;

namespace Seckill.ServiceDefaults.Login;

/// <summary>
/// Section <c>Auth</c>: which tokens are accepted, the same in every application, so that one login serves them all. Either the shop's
/// login shares a key with us (HS256), or it has a key pair and publishes the public half (<see cref="Authority"/>).
/// </summary>
public class LoginOptions : IValidatableObject
{
    public const string Section = "Auth";
    public const string SubjectClaim = "sub";
    public const string RoleClaim = "role";
    public const string OperatorRole = "operator";

    /// <summary>Maximum length of a subject, as in OpenID Connect, characters; a longer one is treated as missing.</summary>
    public const int SubjectLengthMax = 255;

    /// <summary>The cookie that browsers send the token in.</summary>
    public const string Cookie = "seckill_token";

    /// <summary>
    /// The cookie of the console's own login form. The shop's pages do not read it: cookies ignore ports, and an operator who logs in must
    /// not become the buyer in the same browser's other tabs.
    /// </summary>
    public const string OperatorCookie = "seckill_operator";

    /// <summary>Minimum length of a key in UTF-8, bytes; a key shorter than HS256's own 256 bits is worth guessing.</summary>
    internal const int KeyBytesMin = 32;

    /// <summary>
    /// How long an authority's keys, and tokens checked with them, are trusted before the keys are fetched again: it may revoke a key at
    /// any time. This is the shortest interval that the framework allows.
    /// </summary>
    public static readonly TimeSpan AuthorityTrustedFor = TimeSpan.FromMinutes(5);

    private static readonly string[] SharedKeyAlgorithms = [SecurityAlgorithms.HmacSha256];

    /// <summary>Never the algorithm of a shared key: otherwise anybody could sign tokens with the public key.</summary>
    private static readonly string[] KeyPairAlgorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
    ];

    /// <summary>The issuer that a token must name; <c>seckill</c> in <c>appsettings.json</c>.</summary>
    [Required]
    public string Issuer { get; init; } = "";

    /// <summary>The audience that a token must name; <c>seckill</c> in <c>appsettings.json</c>.</summary>
    [Required]
    public string Audience { get; init; } = "";

    /// <summary>
    /// Key of the HMAC-SHA256 signature of logins, UTF-8, 32 bytes or more; a secret of this system alone. It is required even with
    /// <see cref="Authority"/>: it signs no logins then, but purchase tokens are always signed with a key that is derived from it.
    /// </summary>
    [Required]
    public string SigningKey { get; init; } = "";

    /// <summary>The <c>kid</c> of <see cref="SigningKey"/>; needed when there are others.</summary>
    public string? SigningKeyId { get; init; }

    /// <summary>
    /// Further keys that are accepted, each with <c>Id</c> (<c>Auth:FurtherKeys:0:Id</c>) and <c>Key</c>: the next one before a login signs
    /// with it, the last one until its tokens have expired.
    /// </summary>
    public SharedKey[] FurtherKeys { get; init; } = [];

    /// <summary>
    /// Address of an OpenID Connect provider; its keys are fetched from there, and again when a token names an unknown one. Then only its
    /// tokens are accepted (RS, PS and ES algorithms).
    /// </summary>
    public string? Authority { get; init; }

    /// <summary>Whether the authority must have TLS; false is for tests.</summary>
    public bool AuthorityNeedsTls { get; init; } = true;

    /// <summary>The claim with the buyer's number, a whole number from 1, if it is not <c>sub</c>.</summary>
    [Required]
    public string BuyerClaim { get; init; } = SubjectClaim;

    /// <summary>
    /// In Development anybody on this machine may log in as any buyer. True allows it from other machines, too: for a demonstration on a
    /// network where everyone may see and do everything.
    /// </summary>
    public bool DemoLoginForAnyone { get; init; }

    /// <summary>Tolerated clock difference, s.</summary>
    [Range(0, 300)]
    public int ClockSkewSeconds { get; init; } = 30;

    public bool HasAuthority => !string.IsNullOrEmpty(Authority);

    /// <summary>The conditions that a token must meet. Claims keep the names that they have in it.</summary>
    public TokenValidationParameters ToValidationParameters() => new()
    {
        ValidIssuer = Issuer,
        ValidAudience = Audience,
        IssuerSigningKeys = HasAuthority ? [] : SharedKeys(),
        ValidAlgorithms = HasAuthority ? KeyPairAlgorithms : SharedKeyAlgorithms,
        RequireExpirationTime = true,
        ClockSkew = TimeSpan.FromSeconds(ClockSkewSeconds),
        NameClaimType = BuyerClaim,
        RoleClaimType = RoleClaim,
    };

    /// <summary>The key to sign with, where this system issues tokens itself.</summary>
    public SecurityKey ToSigningKey() => ToKey(SigningKeyId, SigningKey);

    /// <summary>All shared keys, for the check against published ones.</summary>
    public IEnumerable<string> AllKeys => FurtherKeys.Select(key => key.Key).Append(SigningKey);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (SharedKeyTooShort(SigningKey) || FurtherKeys.Any(key => SharedKeyTooShort(key.Key)))
        {
            yield return new ValidationResult($"A key in Auth must have {KeyBytesMin} bytes or more.");
        }

        var ids = FurtherKeys.Select(key => key.Id).Append(SigningKeyId).ToList();
        if (FurtherKeys.Length > 0 && (ids.Any(string.IsNullOrWhiteSpace) || ids.Distinct().Count() < ids.Count))
        {
            yield return new ValidationResult("With Auth:FurtherKeys each key needs an id of its own, Auth:SigningKeyId among them.");
        }

        if (HasAuthority
            && !(Uri.TryCreate(Authority, UriKind.Absolute, out var address)
                && (address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && !AuthorityNeedsTls))))
        {
            yield return new ValidationResult("Auth:Authority must be an https address.");
        }
    }

    private IEnumerable<SecurityKey> SharedKeys() => [ToSigningKey(), .. FurtherKeys.Select(key => ToKey(key.Id, key.Key))];

    private static SymmetricSecurityKey ToKey(string? id, string key) => new(Encoding.UTF8.GetBytes(key)) { KeyId = id };

    private static bool SharedKeyTooShort(string key) => Encoding.UTF8.GetByteCount(key) < KeyBytesMin;
}

/// <summary>A key with the <c>kid</c> by which tokens name it.</summary>
public sealed class SharedKey
{
    public string Id { get; init; } = "";

    public string Key { get; init; } = "";
}
