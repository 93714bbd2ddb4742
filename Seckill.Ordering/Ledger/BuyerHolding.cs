namespace Seckill.Ordering.Ledger;

/// <summary>One buyer's units according to MySQL, plus orders that may still be written.</summary>
/// <param name="UserId">The buyer.</param>
/// <param name="Units">Units in live orders.</param>
/// <param name="NewestOrderId">The newest live order; 0 for none.</param>
/// <param name="PendingIds">The buyer's unsettled orders that are not among the live ones.</param>
public readonly record struct BuyerHolding(long UserId, long Units, long NewestOrderId, IReadOnlyList<long> PendingIds);
