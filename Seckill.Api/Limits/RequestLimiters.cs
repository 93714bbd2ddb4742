using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;
using Seckill.Api.Auth;

namespace Seckill.Api.Limits;

/// <summary>The kind of request, by its cost; endpoint metadata, absent on endpoints without a limit per buyer.</summary>
internal enum RequestKind
{
    Purchase,
    Query,
}

/// <summary>By address, before authentication: checking a token's signature costs processor time too.</summary>
internal sealed class AddressLimiter(IOptions<LimitOptions> options, TimeProvider time)
{
    /// <summary>Bits of an IPv6 address, after the prefix of a site, that select one subscriber's network within it.</summary>
    private const int SubnetBits = 16;

    private readonly RequestWindows _windows = new(options.Value.AddressRequestsPerSecond, time);
    private readonly RequestWindows _sites = new(options.Value.SiteRequestsPerSecond, time);

    /// <summary>Whether this request is within the limit.</summary>
    public bool TryTake(HttpContext http)
    {
        var address = http.Connection.RemoteIpAddress;
        return address is null || IPAddress.IsLoopback(address) || (_windows.TryTake(KeyOf(address)) && TryTakeSite(address));
    }

    /// <summary>A /48 contains 65,536 of the networks that count as one address.</summary>
    private bool TryTakeSite(IPAddress address) =>
        address.AddressFamily != AddressFamily.InterNetworkV6 || address.IsIPv4MappedToIPv6 || _sites.TryTake(KeyOf(address) >> SubnetBits);

    /// <summary>An IPv4 address, or the /64 of one IPv6 subscriber.</summary>
    internal static ulong KeyOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return address.AddressFamily == AddressFamily.InterNetwork ? BinaryPrimitives.ReadUInt32BigEndian(bytes)
            : address.IsIPv4MappedToIPv6 ? BinaryPrimitives.ReadUInt32BigEndian(bytes[12..])
            : BinaryPrimitives.ReadUInt64BigEndian(bytes);
    }
}

/// <summary>By buyer, after authentication. An anonymous request passes: authorization refuses it at once.</summary>
internal sealed class UserLimiter(IOptions<LimitOptions> options, TimeProvider time)
{
    private readonly RequestWindows _purchases = new(options.Value.UserPurchasesPerSecond, time);
    private readonly RequestWindows _queries = new(options.Value.UserQueriesPerSecond, time);

    /// <summary>Whether this request is within the limit.</summary>
    public bool TryTake(HttpContext http)
    {
        var kind = http.GetEndpoint()?.Metadata.GetMetadata<RequestKindMetadata>()?.Kind;
        return kind is null
            || !http.User.TryGetUserId(out var userId)
            || (kind == RequestKind.Purchase
                ? _purchases.TryTake((ulong)userId)
                : _queries.TryTake((ulong)userId, WeightOf(http.Request)));
    }

    /// <summary>A push connection that begins with the state of many SKUs costs as much as a query for each.</summary>
    private static int WeightOf(HttpRequest request) => request.QueryString.HasValue ? Math.Max(1, request.Query["sku_id"].Count) : 1;
}

internal sealed record RequestKindMetadata(RequestKind Kind);
