using System.Runtime.InteropServices;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using BitFaster.Caching.Lru;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// Validates tokens with Microsoft's handler and caches valid ones until they expire: a buyer's page keeps sending the same token. The key
/// is the SHA-256 of the whole token, so a hit is exactly the text whose signature was checked, without keeping the token itself. Above
/// <see cref="AuthOptions.TokensRememberedMax"/> the least recently used tokens are evicted. A token is cached when it is seen a second
/// time (the doorkeeper of TinyLFU, Einziger and others 2017): tokens that are sent only once would just fill memory.
/// </summary>
internal sealed class TokenCache(IOptions<AuthOptions> options, TimeProvider time) : TokenHandler
{
    private const int DoorCount = 1 << 18;
    private const int TokenBytesMax = 2_048;

    /// <summary>The smallest capacity that the underlying cache supports.</summary>
    private const int RememberedMin = 3;

    private readonly record struct Key(ulong A, ulong B, ulong C, ulong D)
    {
        public override int GetHashCode() => (int)A;
    }

    private readonly record struct Known(string Subject, string? Buyer, string? Role, DateTime ValidTo, DateTime GoodUntil);

    /// <summary>Partial hashes of recently seen tokens, 4 bytes each; a newer token with the same slot overwrites it.</summary>
    private readonly int[] _door = new int[DoorCount];
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TimeSpan _clockSkew = TimeSpan.FromSeconds(options.Value.ClockSkewSeconds);

    /// <summary>An authority may revoke a key at any time; our own keys change only with a restart.</summary>
    private readonly TimeSpan _goodFor = options.Value.HasAuthority ? LoginOptions.AuthorityTrustedFor : TimeSpan.MaxValue;

    /// <summary>Null when caching is off.</summary>
    private readonly FastConcurrentLru<Key, Known>? _remembered = options.Value.TokensRememberedMax > 0
        ? new FastConcurrentLru<Key, Known>(Math.Max(RememberedMin, options.Value.TokensRememberedMax))
        : null;

    public override SecurityToken ReadToken(string token) => _handler.ReadToken(token);

    public override Task<TokenValidationResult> ValidateTokenAsync(SecurityToken token, TokenValidationParameters validationParameters) =>
        _handler.ValidateTokenAsync(token, validationParameters);

    public override async Task<TokenValidationResult> ValidateTokenAsync(string token, TokenValidationParameters validationParameters)
    {
        if (_remembered is null || token.Length > TokenBytesMax)
        {
            return await _handler.ValidateTokenAsync(token, validationParameters);
        }

        var key = KeyOf(token);
        if (TryGet(key, validationParameters) is { } identity)
        {
            return new TokenValidationResult { IsValid = true, ClaimsIdentity = identity, SecurityToken = CheckedBefore.Instance };
        }

        var result = await _handler.ValidateTokenAsync(token, validationParameters);
        if (result.IsValid && WasSeen(key) && Remembered(result) is { } found)
        {
            _remembered.AddOrUpdate(key, found);
        }

        return result;
    }

    /// <summary>The identity of a cached token that is still valid; null for every other token.</summary>
    public ClaimsIdentity? TryGet(ReadOnlySpan<char> token, TokenValidationParameters validationParameters) =>
        _remembered is null || token.IsEmpty || token.Length > TokenBytesMax ? null : TryGet(KeyOf(token), validationParameters);

    /// <summary>Only the passage of time can have invalidated it: nothing else that was checked can change.</summary>
    private RememberedIdentity? TryGet(Key key, TokenValidationParameters validationParameters) =>
        _remembered!.TryGet(key, out var known) && time.GetUtcNow().UtcDateTime < known.GoodUntil
            ? IdentityOf(known, validationParameters)
            : null;

    private static Key KeyOf(ReadOnlySpan<char> token)
    {
        Span<byte> text = stackalloc byte[TokenBytesMax * 3];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text[..Encoding.UTF8.GetBytes(token, text)], hash);
        return MemoryMarshal.Read<Key>(hash);
    }

    private bool WasSeen(Key key) => Interlocked.Exchange(ref _door[key.B & (DoorCount - 1)], (int)key.C) == (int)key.C;

    /// <summary>The claims that the API needs from a token; null for one with a repeated claim, which is left to the handler.</summary>
    private Known? Remembered(TokenValidationResult result)
    {
        var identity = result.ClaimsIdentity;
        var subjects = identity.FindAll(LoginOptions.SubjectClaim).ToArray();
        var buyers = identity.NameClaimType == LoginOptions.SubjectClaim ? [] : identity.FindAll(identity.NameClaimType).ToArray();
        var roles = identity.FindAll(LoginOptions.RoleClaim).ToArray();
        return subjects.Length == 1 && buyers.Length <= 1 && roles.Length <= 1
            ? new Known(
                subjects[0].Value, buyers.SingleOrDefault()?.Value, roles.SingleOrDefault()?.Value, result.SecurityToken.ValidTo,
                GoodUntil(result.SecurityToken.ValidTo))
            : null;
    }

    private DateTime GoodUntil(DateTime validTo)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var end = Later(validTo, _clockSkew);
        return end - now < _goodFor ? end : now + _goodFor;
    }

    /// <summary>Adds without overflowing: a login may issue tokens that never expire.</summary>
    private static DateTime Later(DateTime time, TimeSpan by) => time < DateTime.MaxValue - by ? time + by : DateTime.MaxValue;

    private static RememberedIdentity IdentityOf(Known known, TokenValidationParameters parameters)
    {
        var identity = new RememberedIdentity(
            parameters.AuthenticationType ?? TokenValidationParameters.DefaultAuthenticationType, parameters.NameClaimType,
            known.Buyer ?? (parameters.NameClaimType == LoginOptions.SubjectClaim ? known.Subject : null), known.ValidTo);
        identity.AddClaim(new Claim(LoginOptions.SubjectClaim, known.Subject));
        if (known.Buyer is not null)
        {
            identity.AddClaim(new Claim(parameters.NameClaimType, known.Buyer));
        }

        if (known.Role is not null)
        {
            identity.AddClaim(new Claim(LoginOptions.RoleClaim, known.Role));
        }

        return identity;
    }

    /// <summary>
    /// The time until which a user's token is accepted, UTC, for connections that outlive their request's authentication. A token whose
    /// expiry cannot be read counts as expired.
    /// </summary>
    public static DateTime EndOf(ClaimsPrincipal user, AuthOptions options) => Later(
        user.Identity switch
        {
            RememberedIdentity remembered => remembered.ValidTo,
            CaseSensitiveClaimsIdentity { SecurityToken: { } token } => token.ValidTo,
            _ => DateTime.MinValue,
        },
        TimeSpan.FromSeconds(options.ClockSkewSeconds));

    private sealed class RememberedIdentity(string authenticationType, string nameType, string? name, DateTime validTo)
        : ClaimsIdentity(authenticationType, nameType, LoginOptions.RoleClaim)
    {
        /// <summary>Known without a search among the claims, which allocates.</summary>
        public override string? Name => name;

        public DateTime ValidTo => validTo;
    }

    /// <summary>
    /// Placeholder for a token whose times were checked here. It carries none, which saves formatting them for each request.
    /// </summary>
    private sealed class CheckedBefore : SecurityToken
    {
        public static readonly CheckedBefore Instance = new();

        public override string Id => "";

        public override string Issuer => "";

        public override SecurityKey? SecurityKey => null;

        public override SecurityKey? SigningKey { get; set; }

        public override DateTime ValidFrom => DateTime.MinValue;

        public override DateTime ValidTo => DateTime.MinValue;
    }
}
