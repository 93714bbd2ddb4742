namespace Seckill.OrderWorker.Batches;

/// <summary>
/// Deliveries that pass through the stages together. The broker numbers and sends deliveries in order, and batches are acked in that
/// order, so one ack with <c>multiple</c> covers a batch.
/// </summary>
/// <param name="startedAt">Timestamp of the first receipt; bounds how long the batch is held.</param>
internal sealed class OrderBatch(long startedAt) : IDisposable
{
    public long StartedAt { get; } = startedAt;

    /// <summary>The batch's first tag; the batch contains every tag from here to <see cref="LastTag"/>. 0 while it is empty.</summary>
    public ulong FirstTag { get; private set; }

    /// <summary>The last tag: acking it acks the batch.</summary>
    public ulong LastTag { get; private set; }

    /// <summary>Total size of the bodies, bytes.</summary>
    public long BodyBytes { get; private set; }

    /// <summary>In order of arrival.</summary>
    public List<OrderInHand> Orders { get; } = [];

    /// <summary>Messages that can never become an order.</summary>
    public List<DeadLetter> DeadLetters { get; } = [];

    /// <summary>Orders that leave the batch for now and are tried again later.</summary>
    public List<ParkedOrder> Parked { get; } = [];

    /// <summary>Adds a delivery.</summary>
    /// <exception cref="InvalidOperationException">The tag is not the next one: acking the batch would also ack the unread messages in
    /// between.</exception>
    public void Add(Delivery delivery)
    {
        if (FirstTag != 0 && delivery.Tag != LastTag + 1)
        {
            throw new InvalidOperationException($"Delivery {delivery.Tag} came after {LastTag}.");
        }

        FirstTag = FirstTag == 0 ? delivery.Tag : FirstTag;
        LastTag = delivery.Tag;
        BodyBytes += delivery.Body.Length;
    }

    /// <summary>Ends the spans of the batch's orders.</summary>
    public void Dispose()
    {
        foreach (var order in Orders)
        {
            WorkerTelemetry.StopDetached(order.Span);
        }

        foreach (var letter in DeadLetters)
        {
            WorkerTelemetry.StopDetached(letter.Span);
        }
    }
}
