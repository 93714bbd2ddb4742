namespace Seckill.OrderWorker.Batches;

/// <summary>
/// Deliveries that go through the stages together. The broker numbers deliveries and hands them out in that order, and batches are acked in
/// that order, so one ack "up to here" acks a batch.
/// </summary>
/// <param name="startedAt">Timestamp of the first pick-up, for the bound on holding.</param>
internal sealed class OrderBatch(long startedAt) : IDisposable
{
    public long StartedAt { get; } = startedAt;

    /// <summary>The ack that covers the batch.</summary>
    public ulong LastTag { get; set; }

    /// <summary>In order of arrival.</summary>
    public List<OrderInHand> Orders { get; } = [];

    /// <summary>What can never become an order.</summary>
    public List<DeadLetter> DeadLetters { get; } = [];

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
