using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>The progress of one batch: its attempts so far, and the orders still to be written.</summary>
internal sealed class WriteAttempt(OrderBatch batch, Backoff backoff)
{
    private readonly LinkedList<List<OrderInHand>> _parts = new();

    public OrderBatch Batch { get; } = batch;

    public Backoff Backoff { get; } = backoff;

    public int Collisions { get; set; }

    public int Deadlocks { get; set; }

    /// <summary>Whether MySQL accepted another order when it was last asked: then the cause of a failure is in the batch.</summary>
    public bool TakesOthers { get; set; }

    /// <summary>The next part to write; null when all is done.</summary>
    public List<OrderInHand>? Next => _parts.First?.Value;

    /// <summary>Removes the next part.</summary>
    public void Pop() => _parts.RemoveFirst();

    /// <summary>Puts a part in front of the others, unless it is empty.</summary>
    public void Push(List<OrderInHand> part)
    {
        if (part.Count > 0)
        {
            _parts.AddFirst(part);
        }
    }

    /// <summary>
    /// Splits a failed part in two and queues the halves behind all parts that have not failed. If many orders are bad, the good ones do
    /// not wait until each bad one is found. Orders of one SKU stay together, since the SKU itself may be the cause.
    /// </summary>
    public void PushHalves(List<OrderInHand> failed)
    {
        var orders = failed.OrderBy(order => order.Message.SkuId).ToList();
        var half = orders.Count / 2;
        _parts.AddLast(orders.GetRange(0, half));
        _parts.AddLast(orders.GetRange(half, orders.Count - half));
    }
}
