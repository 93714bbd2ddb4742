using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using Seckill.Api.Auth;

namespace Seckill.Api.Tokens;

/// <summary>What a purchase token is to one buyer and one SKU.</summary>
public enum PurchaseTokenState
{
    Valid,

    /// <summary>It was issued for them by this system, and is no longer valid.</summary>
    Expired,

    /// <summary>It was not issued for them by this system.</summary>
    Foreign,
}

/// <summary>
/// Purchase tokens: 8 bytes of expiry (ms since 1970 UTC) and the first 16 bytes of an HMAC-SHA256 over user, SKU and expiry, as 32
/// characters of base64url. Any instance can check a token from any other, without memory or I/O. The key is derived from the login key, so
/// that neither kind of token can pass for the other.
/// </summary>
public sealed class PurchaseTokens(IOptions<AuthOptions> auth, IOptions<PurchaseTokenOptions> options, TimeProvider time)
{
    private const int ExpiryBytes = 8;
    private const int MacBytes = 16;
    private const int TokenBytes = ExpiryBytes + MacBytes;
    private const int TokenLength = TokenBytes / 3 * 4;

    private readonly byte[] _key = HKDF.DeriveKey(
        HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(auth.Value.SigningKey), outputLength: 32, info: "purchase-token"u8.ToArray());

    /// <summary>A token for this buyer and this SKU.</summary>
    /// <returns>The token, and its expiry, ms since 1970 UTC.</returns>
    public (string Token, long ExpiresAtMs) Issue(long userId, long skuId)
    {
        var expiresAtMs = time.GetUtcNow().AddSeconds(options.Value.PurchaseTokenSeconds).ToUnixTimeMilliseconds();
        Span<byte> token = stackalloc byte[TokenBytes];
        Write(userId, skuId, expiresAtMs, token);
        return (Base64Url.EncodeToString(token), expiresAtMs);
    }

    /// <summary>Whether the token was issued by this system for this buyer and this SKU, and whether it has expired.</summary>
    public PurchaseTokenState Check(string token, long userId, long skuId)
    {
        Span<byte> sent = stackalloc byte[TokenBytes];
        // Not the Try variant: it throws on characters that are not base64url.
        if (token.Length != TokenLength
            || Base64Url.DecodeFromChars(token, sent, out _, out var written) != OperationStatus.Done
            || written != TokenBytes)
        {
            return PurchaseTokenState.Foreign;
        }

        var expiresAtMs = BinaryPrimitives.ReadInt64BigEndian(sent);
        Span<byte> right = stackalloc byte[TokenBytes];
        Write(userId, skuId, expiresAtMs, right);
        // In constant time, so that the response time reveals nothing about the signature.
        return !CryptographicOperations.FixedTimeEquals(sent, right) ? PurchaseTokenState.Foreign
            : time.GetUtcNow().ToUnixTimeMilliseconds() < expiresAtMs ? PurchaseTokenState.Valid
            : PurchaseTokenState.Expired;
    }

    private void Write(long userId, long skuId, long expiresAtMs, Span<byte> token)
    {
        Span<byte> content = stackalloc byte[24];
        BinaryPrimitives.WriteInt64BigEndian(content, userId);
        BinaryPrimitives.WriteInt64BigEndian(content[8..], skuId);
        BinaryPrimitives.WriteInt64BigEndian(content[16..], expiresAtMs);
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, content, mac);
        BinaryPrimitives.WriteInt64BigEndian(token, expiresAtMs);
        mac[..MacBytes].CopyTo(token[ExpiryBytes..]);
    }
}
