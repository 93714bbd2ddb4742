using System.Diagnostics;
using Microsoft.Extensions.Options;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Parking;

/// <summary>
/// Takes an order out of its batch because a server fails for this order while it accepts others. The broker keeps it for
/// <see cref="Ordering.Contract.OrderTopology.ParkedMs"/> and delivers it again. Its id stays the same, so it remains one order however
/// often that happens. An order that has been parked for too long, and refused often enough, becomes a dead letter for an operator to
/// decide.
/// </summary>
internal sealed partial class OrderParking(
    WorkerHealth health, IOptions<WorkerOptions> options, TimeProvider time, ILogger<OrderParking> logger)
{
    /// <summary>
    /// Refusals before an order may become a dead letter, however long ago the first one was: in a rush it may have spent that time in the
    /// order queue.
    /// </summary>
    public const int RefusalsMin = 10;

    public void Park(OrderBatch batch, OrderInHand order, string reason)
    {
        order.Span?.SetStatus(ActivityStatusCode.Error, reason);
        var now = time.GetUtcNow();
        // This refusal counts too.
        if (order.Delivery.RefusalCount >= RefusalsMin - 1 && order.Delivery.ParkedSince(now) is { } since
            && now - since > TimeSpan.FromMinutes(options.Value.ParkedMinutesMax))
        {
            var why = $"parked for {(now - since).TotalMinutes:F0} min: {reason}";
            batch.DeadLetters.Add(DeadLetter.Of(order, why));
            return;
        }

        batch.Parked.Add(new ParkedOrder(order, reason));
        health.NoteParked(reason);
        WorkerTelemetry.Parked.Add(1);
        LogParked(order.OrderId, order.Message.SkuId, reason);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Order {OrderId} of SKU {SkuId} is parked and will be retried: {Reason}")]
    private partial void LogParked(long orderId, long skuId, string reason);
}
