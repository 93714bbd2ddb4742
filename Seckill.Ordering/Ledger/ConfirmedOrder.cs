namespace Seckill.Ordering.Ledger;

/// <summary>An unsettled order and the time of its last broker confirm.</summary>
public readonly record struct ConfirmedOrder(long OrderId, DateTimeOffset ConfirmedAt);
