namespace Seckill.OrderWorker.Batches;

/// <summary>An order that MySQL or Redis does not take now though it takes others: it leaves the batch and comes again later.</summary>
/// <param name="Order">The order.</param>
/// <param name="Reason">What an operator reads.</param>
internal sealed record ParkedOrder(OrderInHand Order, string Reason);
