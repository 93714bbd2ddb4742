using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Limits;

/// <summary>
/// Section <c>Limits</c>: limits for one buyer, one address and all requests together, per instance. The defaults are far above normal use;
/// 0 switches a limit off.
/// </summary>
public sealed class LimitOptions
{
    public const string Section = "Limits";

    /// <summary>
    /// Requests of all kinds from one address in one second; an IPv6 /64 counts as one address. A mobile carrier puts thousands of buyers
    /// behind one address, hence the high default. Loopback is exempt: it is a proxy or a load generator on the same machine (see
    /// <c>Edge:KnownProxies</c>).
    /// </summary>
    [Range(0, 1_000_000)]
    public int AddressRequestsPerSecond { get; init; } = 20_000;

    /// <summary>The same for an IPv6 /48, which a hosting company gives to one customer.</summary>
    [Range(0, 1_000_000)]
    public int SiteRequestsPerSecond { get; init; } = 40_000;

    /// <summary>Orders that one buyer may send to one instance in one second.</summary>
    [Range(0, 10_000)]
    public int UserPurchasesPerSecond { get; init; } = 20;

    /// <summary>Status queries and requests for purchase tokens that one buyer may send to one instance in one second.</summary>
    [Range(0, 10_000)]
    public int UserQueriesPerSecond { get; init; } = 100;

    /// <summary>
    /// Orders that one buyer may send to all instances together in <see cref="SharedWindowMs"/>. Counted in Redis, which costs each click a
    /// round trip, sold out or not; hence off by default.
    /// </summary>
    [Range(0, 10_000)]
    public int SharedUserPurchasesMax { get; init; }

    /// <summary>Length of the window of <see cref="SharedUserPurchasesMax"/>, ms.</summary>
    [Range(100, 3_600_000)]
    public int SharedWindowMs { get; init; } = 1_000;

    /// <summary>Orders of one buyer that one instance reads or handles at the same time.</summary>
    [Range(0, 10_000)]
    public int UserPurchasesInFlightMax { get; init; } = 20;

    /// <summary>Fully read orders handled at the same time; further ones wait. Here, too, 0 means no limit.</summary>
    [Range(0, 1_000_000)]
    public int PurchasesInFlightMax { get; init; } = 8_192;

    /// <summary>
    /// Orders that may wait; further ones get 503 <c>busy</c>, because with an unbounded queue all answers would come too late.
    /// </summary>
    [Range(0, 1_000_000)]
    public int PurchasesWaitingMax { get; init; } = 8_192;

    /// <summary>How long an order may wait for its turn, ms; then it gets 503 <c>busy</c>.</summary>
    [Range(1, 60_000)]
    public int PurchaseWaitMsMax { get; init; } = 2_000;
}
