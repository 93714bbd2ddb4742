namespace Seckill.Ordering.Ledger;

/// <summary>An unsettled order and when the broker confirmed it last.</summary>
public readonly record struct ConfirmedOrder(long OrderId, DateTimeOffset ConfirmedAt);
