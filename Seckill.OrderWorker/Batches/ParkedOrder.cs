namespace Seckill.OrderWorker.Batches;

/// <summary>An order that MySQL or Redis refuses now although others succeed: it leaves the batch and is tried again later.</summary>
/// <param name="Order">The order.</param>
/// <param name="Reason">Shown to operators.</param>
internal sealed record ParkedOrder(OrderInHand Order, string Reason);
