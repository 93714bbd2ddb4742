namespace Seckill.Ordering.Ledger;

/// <summary>A click and the order it belongs to.</summary>
public readonly record struct BuyerClick(long UserId, string ClientOrderNo, long OrderId, int Quantity);
