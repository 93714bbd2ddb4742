namespace Seckill.Ordering.Ledger;

/// <summary>What Redis says of a SKU at one moment.</summary>
/// <param name="Stock">The counter, units; null when Redis does not know the SKU.</param>
/// <param name="Epoch">Which load of the counter this is; null like <paramref name="Stock"/>.</param>
/// <param name="Held">Units deducted from this counter by reservations that are not settled yet.</param>
/// <param name="Unsettled">Reservations not settled yet.</param>
/// <param name="Unconfirmed">Those of them that the broker has not confirmed yet.</param>
/// <param name="SameServer">
/// Whether the Redis server has been running without a break since the counter was loaded; null when it does not say which one it is.
/// </param>
/// <param name="Closed">Whether the gate is closed until the counter is loaded again.</param>
/// <param name="UnsettledIds">Their order ids; null when there are more than were asked for.</param>
/// <param name="ReservedUnits">Units of the unsettled reservations that were deducted from this counter: what <paramref name="Held"/> must
/// be. Null when there are too many to look at.</param>
/// <param name="ToldIds">Those of the unsettled whose buyers were told before: they are published again, see recall.lua.</param>
public sealed record LedgerSnapshot(
    long? Stock, long? Epoch, long Held, long Unsettled, long Unconfirmed, bool? SameServer, bool Closed, IReadOnlyList<long>? UnsettledIds,
    long? ReservedUnits = null, IReadOnlyList<long>? ToldIds = null)
{
    /// <summary>What the load is known by beside its epoch; null when it has no such token.</summary>
    public long? LoadToken { get; init; }

    /// <summary>Which load of the counter this is; null when Redis does not know the SKU.</summary>
    public LoadId? Load => Epoch is { } epoch ? new LoadId(epoch, LoadToken) : null;

    /// <summary>
    /// The epoch of MySQL up to which buyers' units have all that was committed, see restore.lua; null when that is not noted.
    /// </summary>
    public long? Counted { get; init; }

    /// <summary>The run id of the server that answered; null when it does not say which one it is.</summary>
    internal string? RunId { get; init; }

    /// <summary>The terms that the gate enforces, as the scripts write them.</summary>
    internal string? Terms { get; init; }

    /// <summary>Whether the gate enforces these terms.</summary>
    public bool HasTerms(SaleTerms terms) => Terms == string.Join('|', terms.Fields);
}
