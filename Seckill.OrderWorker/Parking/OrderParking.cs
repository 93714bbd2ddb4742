using System.Diagnostics;
using Microsoft.Extensions.Options;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Parking;

/// <summary>
/// Takes an order out of its batch because a server fails for this order while it accepts others. The broker keeps it for
/// <see cref="Ordering.Contract.OrderTopology.ParkedMs"/> and delivers it again. Its id stays the same, so it remains one order however
/// often that happens. An order that has been parked for too long, and refused often enough, becomes a dead letter for an operator to
/// decide, but only if this worker has seen the server accept another order since the last refusal: a test order may pass where no real
/// one does, and an outage must not end a good order.
/// </summary>
internal sealed partial class OrderParking(
    WorkerHealth health, IOptions<WorkerOptions> options, TimeProvider time, ILogger<OrderParking> logger)
{
    /// <summary>
    /// Refusals before an order may become a dead letter, however long ago the first one was: in a rush it may have spent that time in the
    /// order queue.
    /// </summary>
    public const int RefusalsMin = 10;

    /// <summary>Parks an order.</summary>
    /// <param name="batch">Its batch.</param>
    /// <param name="order">The order.</param>
    /// <param name="store">The store that refuses it.</param>
    /// <param name="reason">Shown to operators.</param>
    /// <param name="mayEnd">Whether it may become a dead letter; false when it was not tried by itself.</param>
    public void Park(OrderBatch batch, OrderInHand order, OrderStore store, string reason, bool mayEnd = true)
    {
        var now = time.GetUtcNow();
        var delivery = order.Delivery;
        var since = delivery.ParkedSince(now);
        // This refusal counts too.
        if (mayEnd && delivery.RefusalCount >= RefusalsMin - 1 && since is { } begin
            && now - begin > TimeSpan.FromMinutes(options.Value.ParkedMinutesMax) && health.HasAcceptedSince(store, delivery.TriedSince))
        {
            DeadLetter(batch, order, $"parked for {(now - begin).TotalMinutes:F0} min: {reason}");
            return;
        }

        order.Span?.SetStatus(ActivityStatusCode.Error, reason);
        batch.Parked.Add(new ParkedOrder(order, reason));
        var isAlone = since is not { } first || health.HasAcceptedSince(store, first);
        health.NoteParked(reason, store, isAlone ? null : order.Message.UserId);
        WorkerTelemetry.Parked.Add(1);
        LogParked(order.OrderId, order.Message.SkuId, reason);
    }

    /// <summary>Parks the orders whose SKUs have a reason in MySQL; returns the others.</summary>
    public List<OrderInHand> Park(OrderBatch batch, List<OrderInHand> orders, Func<long, string?> reasonOf)
    {
        var free = new List<OrderInHand>(orders.Count);
        foreach (var order in orders)
        {
            if (reasonOf(order.Message.SkuId) is { } reason)
            {
                Park(batch, order, OrderStore.MySql, reason);
            }
            else
            {
                free.Add(order);
            }
        }

        return free;
    }

    /// <summary>
    /// MySQL's tables cannot store the order, which makes it a dead letter at once. If they have not stored any other meanwhile, they may
    /// be unable to store any, as after a wrong change of a column: then it is parked.
    /// </summary>
    public void Refuse(OrderBatch batch, OrderInHand order, string reason)
    {
        if (health.HasAcceptedSince(OrderStore.MySql, order.Delivery.TriedSince))
        {
            DeadLetter(batch, order, reason);
        }
        else
        {
            Park(batch, order, OrderStore.MySql, reason);
        }
    }

    /// <summary>
    /// Leaves the reservation as it is: an operator decides between replaying and abandoning it. The batch ends the span.
    /// </summary>
    public static void DeadLetter(OrderBatch batch, OrderInHand order, string reason)
    {
        order.Span?.SetStatus(ActivityStatusCode.Error, reason);
        batch.DeadLetters.Add(Batches.DeadLetter.Of(order, reason));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Order {OrderId} of SKU {SkuId} is parked and will be retried: {Reason}")]
    private partial void LogParked(long orderId, long skuId, string reason);
}
