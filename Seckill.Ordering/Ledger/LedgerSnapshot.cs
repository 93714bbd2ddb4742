namespace Seckill.Ordering.Ledger;

/// <summary>Redis's data of a SKU at one moment.</summary>
/// <param name="Stock">The counter, units; null when Redis does not know the SKU.</param>
/// <param name="Epoch">The load of the counter; null like <paramref name="Stock"/>.</param>
/// <param name="Held">Units deducted from this counter by reservations that are not settled yet.</param>
/// <param name="Unsettled">Reservations not settled yet.</param>
/// <param name="Unconfirmed">Unsettled reservations that the broker has not confirmed yet.</param>
/// <param name="SameServer">
/// Whether the Redis server has been running without a restart since the counter was loaded; null when it does not report its run id.
/// </param>
/// <param name="Closed">Whether the gate is closed until the counter is loaded again.</param>
/// <param name="UnsettledIds">Order ids of the unsettled reservations; null when there are more than the requested maximum.</param>
/// <param name="ReservedUnits">Units of the unsettled reservations that were deducted from this counter; must equal
/// <paramref name="Held"/>. Null when there are too many to read.</param>
/// <param name="ToldIds">Unsettled orders whose buyers already have a result: they are published again, see recall.lua.</param>
public sealed record LedgerSnapshot(
    long? Stock, long? Epoch, long Held, long Unsettled, long Unconfirmed, bool? SameServer, bool Closed, IReadOnlyList<long>? UnsettledIds,
    long? ReservedUnits = null, IReadOnlyList<long>? ToldIds = null)
{
    /// <summary>Identifies the load together with its epoch; null when it has no such token.</summary>
    public long? LoadToken { get; init; }

    /// <summary>The load of the counter; null when Redis does not know the SKU.</summary>
    public LoadId? Load => Epoch is { } epoch ? new LoadId(epoch, LoadToken) : null;

    /// <summary>
    /// The epoch of MySQL up to which buyers' units include every commit, see restore.lua; null when it is not recorded.
    /// </summary>
    public long? Counted { get; init; }

    /// <summary>
    /// How many loads and changes of terms Redis has carried out, see warm.lua; null when it has not counted any. One that was decided on
    /// this snapshot is outdated once there are more.
    /// </summary>
    internal long? Warmed { get; init; }

    /// <summary>The run id of the server that answered; null when it does not report one.</summary>
    internal string? RunId { get; init; }

    /// <summary>The terms that the gate enforces, in the scripts' format.</summary>
    internal string? Terms { get; init; }

    /// <summary>Whether the gate enforces these terms.</summary>
    public bool HasTerms(SaleTerms terms) => Terms == string.Join('|', terms.Fields);
}
