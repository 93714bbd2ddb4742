using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Auth;

/// <summary>
/// Validates tokens with Microsoft's handler, and remembers those found valid until they expire: a buyer's page asks again and again with the
/// same token. Keyed by the SHA-256 of the whole token, so a hit is the very text whose signature was checked, in 100 bytes instead of
/// several thousand. Two generations of at most half of <see cref="AuthOptions.TokensRememberedMax"/> each: when the young one is full the old one
/// is dropped, which keeps what is used without counting or locking. A token enters when it is seen a second time (the doorkeeper of
/// TinyLFU, Einziger and others 2017): a crowd in which each asks once would only fill memory.
/// </summary>
internal sealed class TokenCache(IOptions<AuthOptions> options, TimeProvider time) : TokenHandler
{
    private const int DoorCount = 1 << 18;
    private const int TokenBytesMax = 2_048;

    private readonly record struct Key(ulong A, ulong B, ulong C, ulong D)
    {
        public override int GetHashCode() => (int)A;
    }

    private readonly record struct Known(string Subject, string? Role, DateTime ValidTo);

    /// <summary>Parts of the hashes of tokens seen lately, 4 bytes each; a newer one with the same place takes it.</summary>
    private readonly int[] _door = new int[DoorCount];
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly int _generationMax = options.Value.TokensRememberedMax / 2;
    private readonly TimeSpan _clockSkew = TimeSpan.FromSeconds(options.Value.ClockSkewSeconds);
    private ConcurrentDictionary<Key, Known> _young = new();
    private ConcurrentDictionary<Key, Known> _old = new();
    private int _youngCount;

    public override SecurityToken ReadToken(string token) => _handler.ReadToken(token);

    public override Task<TokenValidationResult> ValidateTokenAsync(SecurityToken token, TokenValidationParameters validationParameters) =>
        _handler.ValidateTokenAsync(token, validationParameters);

    public override async Task<TokenValidationResult> ValidateTokenAsync(string token, TokenValidationParameters validationParameters)
    {
        if (_generationMax == 0 || token.Length > TokenBytesMax)
        {
            return await _handler.ValidateTokenAsync(token, validationParameters);
        }

        var key = KeyOf(token);
        if (Find(key) is { } known)
        {
            return ResultOf(known, validationParameters);
        }

        var result = await _handler.ValidateTokenAsync(token, validationParameters);
        if (result.IsValid && WasSeen(key) && Remembered(result) is { } found)
        {
            Remember(key, found);
        }

        return result;
    }

    private static Key KeyOf(string token)
    {
        Span<byte> text = stackalloc byte[TokenBytesMax * 3];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text[..Encoding.UTF8.GetBytes(token, text)], hash);
        return MemoryMarshal.Read<Key>(hash);
    }

    private bool WasSeen(Key key) => Interlocked.Exchange(ref _door[key.B & (DoorCount - 1)], (int)key.C) == (int)key.C;

    private Known? Find(Key key)
    {
        if (!Volatile.Read(ref _young).TryGetValue(key, out var known))
        {
            if (!Volatile.Read(ref _old).TryGetValue(key, out known))
            {
                return null;
            }

            Remember(key, known);
        }

        // Whatever else was checked does not change while the process runs.
        return time.GetUtcNow().UtcDateTime - _clockSkew < known.ValidTo ? known : null;
    }

    private void Remember(Key key, Known known)
    {
        var young = Volatile.Read(ref _young);
        if (young.TryAdd(key, known) && Interlocked.Increment(ref _youngCount) >= _generationMax
            && Interlocked.CompareExchange(ref _young, new(), young) == young)
        {
            Volatile.Write(ref _youngCount, 0);
            Volatile.Write(ref _old, young);
        }
    }

    /// <summary>What the API asks of a token; null for one that says a thing twice, which is left to the handler.</summary>
    private static Known? Remembered(TokenValidationResult result)
    {
        var subjects = result.ClaimsIdentity.FindAll(LoginOptions.SubjectClaim).ToArray();
        var roles = result.ClaimsIdentity.FindAll(LoginOptions.RoleClaim).ToArray();
        return subjects.Length == 1 && roles.Length <= 1
            ? new Known(subjects[0].Value, roles.SingleOrDefault()?.Value, result.SecurityToken.ValidTo)
            : null;
    }

    private static TokenValidationResult ResultOf(Known known, TokenValidationParameters parameters)
    {
        var identity = new ClaimsIdentity(parameters.AuthenticationType ?? TokenValidationParameters.DefaultAuthenticationType, LoginOptions.SubjectClaim, LoginOptions.RoleClaim);
        identity.AddClaim(new Claim(LoginOptions.SubjectClaim, known.Subject));
        if (known.Role is not null)
        {
            identity.AddClaim(new Claim(LoginOptions.RoleClaim, known.Role));
        }

        return new TokenValidationResult { IsValid = true, ClaimsIdentity = identity, SecurityToken = CheckedBefore.Instance };
    }

    /// <summary>Stands for a token whose times were checked here; without times of its own nobody formats them for each request.</summary>
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
