using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>The progress of one batch: its attempts so far, and the orders still to be written.</summary>
internal sealed class WriteAttempt(OrderBatch batch, Backoff backoff)
{
    private readonly LinkedList<Part> _parts = new();
    private bool _isByCommit;

    /// <summary>Orders to be written together.</summary>
    private readonly record struct Part(List<OrderInHand> Orders, bool HasFailed);

    public OrderBatch Batch { get; } = batch;

    public Backoff Backoff { get; } = backoff;

    public int Collisions { get; set; }

    public int Deadlocks { get; set; }

    /// <summary>Whether MySQL accepted another order when it was last asked: then the cause of a failure is in the batch.</summary>
    public bool TakesOthers { get; set; }

    /// <summary>Timestamp at which the batch began to be taken apart while MySQL accepts others; null when it is not.</summary>
    public long? SortingSince { get; set; }

    /// <summary>The next part to write; null when all is done.</summary>
    public List<OrderInHand>? Next => _parts.First?.Value.Orders;

    /// <summary>
    /// Whether the next part was parked before. Such orders are a part of their own, behind the others: an order that waits for a lock
    /// again must not make the others wait each time that it comes back.
    /// </summary>
    public bool IsReturned => Next is [{ Delivery.WasParked: true }, ..];

    /// <summary>Removes the next part.</summary>
    public void Pop() => _parts.RemoveFirst();

    /// <summary>Removes the next part, which was written: MySQL has accepted others than the returned orders behind it.</summary>
    public void PopWritten()
    {
        Pop();
        if (!TakesOthers && IsReturned)
        {
            TakesOthers = _isByCommit = true;
        }
    }

    /// <summary>
    /// Call when the next part failed for another reason than a lock: a commit before it proves nothing, because an outage may have begun
    /// since. A probe must show that MySQL accepts others.
    /// </summary>
    public void ForgetCommit()
    {
        TakesOthers &= !_isByCommit;
        _isByCommit = false;
    }

    /// <summary>Begins with these orders, the returned ones last.</summary>
    public void Begin(List<OrderInHand> orders)
    {
        Push(orders.FindAll(order => order.Delivery.WasParked));
        Push(orders.FindAll(order => !order.Delivery.WasParked));
    }

    /// <summary>Puts a part in front of the others, unless it is empty.</summary>
    public void Push(List<OrderInHand> part)
    {
        if (part.Count > 0)
        {
            _parts.AddFirst(new Part(part, HasFailed: false));
        }
    }

    /// <summary>Removes all parts that come from a failed one; returns their orders.</summary>
    public List<OrderInHand> PopFailed()
    {
        var orders = new List<OrderInHand>();
        for (var node = _parts.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.HasFailed)
            {
                orders.AddRange(node.Value.Orders);
                _parts.Remove(node);
            }

            node = next;
        }

        return orders;
    }

    /// <summary>
    /// Splits a failed part in two and queues the halves behind all parts that have not failed. If many orders are bad, the good ones do
    /// not wait until each bad one is found. Orders of one SKU stay together, since the SKU itself may be the cause. Returned orders are
    /// tried one by one: each half would wait once more for the same lock.
    /// </summary>
    public void PushSplit(List<OrderInHand> failed)
    {
        var isReturned = failed[0].Delivery.WasParked;
        var size = isReturned ? 1 : (failed.Count + 1) / 2;
        foreach (var part in (isReturned ? InTurns(failed) : failed.OrderBy(order => order.Message.SkuId)).Chunk(size))
        {
            _parts.AddLast(new Part([.. part], HasFailed: true));
        }
    }

    /// <summary>
    /// One order of each SKU in turn, and each SKU's orders at random. The time may be up before all have been tried, and the same bad
    /// orders must not take all of it each time that the batch comes back.
    /// </summary>
    private static IEnumerable<OrderInHand> InTurns(List<OrderInHand> orders)
    {
        var shuffled = orders.ToArray();
        Random.Shared.Shuffle(shuffled);
        return shuffled.GroupBy(order => order.Message.SkuId)
            .SelectMany(sku => sku.Index())
            .OrderBy(entry => entry.Index)
            .Select(entry => entry.Item);
    }
}
