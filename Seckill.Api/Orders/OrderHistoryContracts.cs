namespace Seckill.Api.Orders;

/// <summary>
/// When an order passed each hop, ms since 1970 UTC; null where no time is stored. Clicked comes from the order id, reserved from Redis's
/// clock, picked up from the worker's and committed from MySQL's; told is when the outcome was published. Picked up may precede confirmed:
/// the broker delivers and confirms at the same time.
/// </summary>
public sealed record OrderTimeline(
    long ClickedAtMs, long? ReservedAtMs, long? ConfirmedAtMs, long? PickedUpAtMs, long? CommittedAtMs, long? ToldAtMs);

/// <summary>
/// One order as its buyer sees it: PENDING, SUCCESS (with number, amount and the state of payment) or FAILED (with the reason).
/// </summary>
public sealed record OrderView(
    string OrderId, string SkuId, int Quantity, string Status, string? OrderSn, string? Reason, string? Payment, string? Title,
    string? Image, decimal? Price, decimal? TotalAmount, string? ClientOrderNo, string? TraceId, OrderTimeline Timeline);

/// <summary>A buyer's orders, newest first. <see cref="Before"/> requests the next page; null on the last.</summary>
public sealed record OrderListResponse(IReadOnlyList<OrderView> Items, string? Before);
