using System.Threading.Channels;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Gathers batches. It takes the messages that are there and waits briefly for more only when they do not fill the batch. While one batch
/// is written the next one fills up, so under load there is no wait.
/// </summary>
internal sealed class BatchReader(ChannelReader<Delivery> deliveries, int batchSizeMax, TimeSpan waitMax, TimeProvider time)
{
    /// <summary>The next batch; null at the end.</summary>
    public async Task<OrderBatch?> ReadAsync(CancellationToken quit)
    {
        try
        {
            if (!await deliveries.WaitToReadAsync(quit))
            {
                return null;
            }
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        var batch = new OrderBatch(time.GetTimestamp());
        if (!Fill(batch) && waitMax > TimeSpan.Zero)
        {
            await Task.Delay(waitMax, time, quit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Fill(batch);
        }

        return batch;
    }

    /// <summary>
    /// Takes the messages that are there; true when the batch is full. A message of many orders may overfill it by that one message.
    /// </summary>
    private bool Fill(OrderBatch batch)
    {
        while (batch.Orders.Count + batch.DeadLetters.Count < batchSizeMax)
        {
            if (!deliveries.TryRead(out var delivery))
            {
                return false;
            }

            OrderIntake.Take(delivery, batch);
        }

        return true;
    }
}
