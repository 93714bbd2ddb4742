using System.Collections.ObjectModel;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Faults;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.DeadLetters;
using Seckill.OrderWorker.Settling;
using Seckill.OrderWorker.Writing;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Moves a session's messages from the queue to MySQL, to Redis and to the ack, in batches. Two stages run side by side: while one batch
/// is settled in Redis and acked, the next ones are written to MySQL, up to <see cref="WorkerOptions.TransactionsMax"/> at once. Batches
/// are settled and acked in the order of their tags. A message is acked only after its verdict is committed and settled. After a crash
/// before that it is delivered again and found committed.
///
/// Two tokens: <c>quit</c> (stop signal, or the session has ended) allows no new batch and ends waits between tries; <c>processing</c>
/// fires <see cref="WorkerOptions.ShutdownTimeoutMs"/> after the stop signal and aborts the current batch.
/// </summary>
internal sealed partial class BatchPipeline(
    TransactionShare share, OfferRecall offers, BatchWriter writer, OrderSettler settler, DeadLetterPublisher deadLetters,
    IOptions<WorkerOptions> options, TimeProvider time, ILogger<BatchPipeline> logger)
{
    /// <summary>A batch being written to MySQL; false when the worker stopped before every order had a verdict.</summary>
    private readonly record struct BatchInWriting(OrderBatch Batch, Task<bool> Written);

    private readonly WorkerOptions _options = options.Value;

    /// <summary>Runs the stages until the session ends or the stop signal comes.</summary>
    /// <exception cref="HeldTooLongException">An outage lasts longer than <see cref="WorkerOptions.HoldMinutesMax"/>.</exception>
    public async Task RunAsync(ConsumerSession session, CancellationToken stoppingToken)
    {
        using var quit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, session.Ended);
        using var processing = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        await using var signal = stoppingToken.Register(() => processing.CancelAfter(_options.ShutdownTimeoutMs));

        // Batches being written or waiting to be settled; the prefetch covers them.
        var inWriting = Channel.CreateBounded<BatchInWriting>(
            new BoundedChannelOptions(_options.TransactionsMax) { SingleReader = true, SingleWriter = true });
        var writing = WriteAllAsync(session, inWriting.Writer, quit.Token, processing.Token);
        var settling = SettleAllAsync(session, inWriting, quit, processing.Token);
        var cancelling = StopConsumingAtAsync(session, quit.Token, processing.Token);
        try
        {
            await Task.WhenAll(writing, settling);
        }
        finally
        {
            await quit.CancelAsync();
            await cancelling;
        }
    }

    private async Task StopConsumingAtAsync(ConsumerSession session, CancellationToken quit, CancellationToken processing)
    {
        await Task.Delay(Timeout.Infinite, quit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await session.StopConsumingAsync(processing);
        }
        catch (Exception exception)
        {
            // The session is closed next, which ends the consumer too.
            LogNotCancelled(exception.Message);
        }
    }

    /// <summary>First stage: gathers batches and starts writing them.</summary>
    private async Task WriteAllAsync(
        ConsumerSession session, ChannelWriter<BatchInWriting> inWriting, CancellationToken quit, CancellationToken processing)
    {
        var running = new List<Task>(_options.TransactionsMax);
        await using var ceiling = new RateCeiling(_options.OrdersPerSecondMax);
        var reader = new BatchReader(
            session.Deliveries, Math.Min(_options.BatchSizeMax, ceiling.BurstMax), TimeSpan.FromMilliseconds(_options.BatchWaitMsMax),
            time);
        try
        {
            while (await reader.ReadAsync(quit) is { } batch)
            {
                CrashPoint.Reach(CrashPoint.Received);
                if (Sabotage.Is(Sabotage.AckBeforeCommit))
                {
                    await session.SettleAsync(batch, ReadOnlySet<ulong>.Empty, ReadOnlySet<ulong>.Empty, processing);
                }

                // If no room is ever freed, the second stage has failed; its own task reports why.
                if (!await ceiling.WaitAsync(batch.Orders.Count, quit) || !await inWriting.WaitToWriteAsync(processing))
                {
                    batch.Dispose();
                    return;
                }

                while (running.Count >= share.Transactions)
                {
                    running.Remove(await Task.WhenAny(running));
                }

                // On the thread pool: this loop goes on to read the next batch.
                var written = Task.Run(() => WriteAsync(batch, quit, processing), CancellationToken.None);
                running.Add(written);
                if (!inWriting.TryWrite(new BatchInWriting(batch, written)))
                {
                    await EndAsync(new BatchInWriting(batch, written));
                    return;
                }

                if (batch.Orders.Count < _options.BatchSizeMax)
                {
                    // No more messages are waiting: let later ones gather instead of writing many small transactions.
                    await Task.WhenAny(written);
                }
            }
        }
        finally
        {
            inWriting.TryComplete();
        }
    }

    private async Task<bool> WriteAsync(OrderBatch batch, CancellationToken quit, CancellationToken processing)
    {
        await offers.RunAsync(batch, processing);
        return await writer.WriteAsync(batch, quit, processing);
    }

    /// <summary>
    /// Second stage: settles, publishes dead letters, acks. A batch that could not be written, or a failure here, ends both stages: an ack
    /// covers everything before it, so nothing after that batch may be acked.
    /// </summary>
    private async Task SettleAllAsync(
        ConsumerSession session, Channel<BatchInWriting> inWriting, CancellationTokenSource quit, CancellationToken processing)
    {
        try
        {
            await foreach (var (batch, written) in inWriting.Reader.ReadAllAsync(CancellationToken.None))
            {
                using (batch)
                {
                    if (!await written)
                    {
                        return;
                    }

                    await settler.SettleAsync(batch, quit.Token, processing);
                    CrashPoint.Reach(CrashPoint.Settled);
                    var left = await deadLetters.PublishAsync(batch.DeadLetters, processing);
                    var unparked = await deadLetters.ParkAsync(batch.Parked, processing);
                    if (!Sabotage.Is(Sabotage.AckBeforeCommit))
                    {
                        await session.SettleAsync(batch, TagsOf(left), TagsOf(unparked), processing);
                    }

                    CrashPoint.Reach(CrashPoint.Acked);
                }
            }
        }
        finally
        {
            await quit.CancelAsync();
            inWriting.Writer.TryComplete();
            while (inWriting.Reader.TryRead(out var left))
            {
                await EndAsync(left);
            }
        }
    }

    private static HashSet<ulong> TagsOf(IEnumerable<DeadLetter> letters) => [.. letters.Select(letter => letter.Delivery.Tag)];

    /// <summary>
    /// Waits for batches that will not be acked. They may be committed; then they are delivered again and found written.
    /// </summary>
    private static async Task EndAsync(BatchInWriting left)
    {
        using (left.Batch)
        {
            await ((Task)left.Written).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The consumer was not cancelled: {Reason}")]
    private partial void LogNotCancelled(string reason);
}
