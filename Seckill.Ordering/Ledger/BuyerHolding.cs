namespace Seckill.Ordering.Ledger;

/// <summary>One buyer's holding according to MySQL, and what may come to it.</summary>
/// <param name="UserId">The buyer.</param>
/// <param name="Units">Units in live orders.</param>
/// <param name="NewestOrderId">The newest of these orders; 0 for none.</param>
/// <param name="PendingIds">The buyer's unsettled orders that are not among them.</param>
public readonly record struct BuyerHolding(long UserId, long Units, long NewestOrderId, IReadOnlyList<long> PendingIds);
