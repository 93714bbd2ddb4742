namespace Seckill.OrderWorker.Batches;

/// <summary>
/// Deliveries that go through the stages together. The broker numbers deliveries and hands them out in that order, and batches are acked in
/// that order, so one ack "up to here" acks a batch.
/// </summary>
/// <param name="startedAt">Timestamp of the first pick-up, for the bound on holding.</param>
internal sealed class OrderBatch(long startedAt) : IDisposable
{
    public long StartedAt { get; } = startedAt;

    /// <summary>The first of its tags, all of which up to <see cref="LastTag"/> are in it; 0 while it is empty.</summary>
    public ulong FirstTag { get; private set; }

    /// <summary>The ack that covers the batch.</summary>
    public ulong LastTag { get; private set; }

    /// <summary>Bytes of the bodies that it holds.</summary>
    public long BodyBytes { get; private set; }

    /// <summary>In order of arrival.</summary>
    public List<OrderInHand> Orders { get; } = [];

    /// <summary>Messages that can never become an order.</summary>
    public List<DeadLetter> DeadLetters { get; } = [];

    /// <summary>Orders that leave the batch for now and come again.</summary>
    public List<ParkedOrder> Parked { get; } = [];

    /// <summary>Counts a delivery in.</summary>
    /// <exception cref="InvalidOperationException">It is not the next one: an ack of the batch would ack what lies between,
    /// unread.</exception>
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

    /// <summary>Ends the spans of its orders.</summary>
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
