using System.Threading.Channels;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.DeadLetters;
using Seckill.OrderWorker.Migrating;
using Seckill.OrderWorker.Settling;
using Seckill.OrderWorker.Writing;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Queue to MySQL to Redis to ack, in batches. Two stages run side by side: while one batch is settled in Redis and acked, the next is
/// written to MySQL. A message is acked only after its verdict is committed and told; whatever dies before that is delivered again and
/// found committed already.
///
/// Two tokens: <c>quit</c> (stop signal, or the session has ended) takes no new batch and ends waits between tries; <c>processing</c>
/// fires <see cref="WorkerOptions.ShutdownTimeoutMs"/> after the stop signal and gives up the batch in hand.
/// </summary>
internal sealed partial class OrderPump(
    IConnectionFactory connections, Migrator migrator, BatchWriter writer, OrderSettler settler, WorkerHealth health, PulseCounters counters,
    IOptions<WorkerOptions> options, TimeProvider time, ILogger<OrderPump> logger) : BackgroundService
{
    /// <summary>With a ceiling, what waits in the worker must be through before the broker's consumer time-out.</summary>
    private const int WaitInWorkerSecondsMax = 300;

    /// <summary>What the gate puts into one message under load.</summary>
    private const int OrdersPerMessageUsual = 64;

    private readonly WorkerOptions _options = options.Value;
    private readonly Backoff _reconnect = new(options.Value, time);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await migrator.Migrated.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var prefetchCount = PrefetchCount();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var session = await ConsumerSession.OpenAsync(connections, prefetchCount, time, stoppingToken);
                health.Consuming = true;
                LogConsuming(prefetchCount);
                await RunAsync(session, stoppingToken);
            }
            catch (HeldTooLongException exception)
            {
                LogReturned(exception.Message);
                await writer.WaitUntilReachableAsync(stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogSessionFailed(exception.Message);
            }
            catch (Exception exception)
            {
                LogStopIncomplete(exception.Message);
            }
            finally
            {
                health.Consuming = false;
            }

            await _reconnect.WaitAsync(stoppingToken);
        }

        LogStopped();
    }

    private ushort PrefetchCount() => _options.OrdersPerSecondMax == 0
        ? (ushort)_options.PrefetchCountMax
        : (ushort)Math.Clamp((long)_options.OrdersPerSecondMax * WaitInWorkerSecondsMax / OrdersPerMessageUsual, 2, _options.PrefetchCountMax);

    /// <summary>Runs the stages until the session ends or the stop signal comes.</summary>
    private async Task RunAsync(ConsumerSession session, CancellationToken stoppingToken)
    {
        using var quit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, session.Ended);
        using var processing = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        await using var signal = stoppingToken.Register(() => processing.CancelAfter(TimeSpan.FromMilliseconds(_options.ShutdownTimeoutMs)));

        // One batch may wait between the stages; the prefetch covers it.
        var written = Channel.CreateBounded<OrderBatch>(new BoundedChannelOptions(1) { SingleReader = true, SingleWriter = true });
        var writing = WriteAllAsync(session, written.Writer, quit.Token, processing.Token);
        var settling = SettleAllAsync(session, written, quit, processing.Token);
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

    /// <summary>First stage: gathers and writes.</summary>
    private async Task WriteAllAsync(
        ConsumerSession session, ChannelWriter<OrderBatch> written, CancellationToken quit, CancellationToken processing)
    {
        await using var ceiling = new RateCeiling(_options.OrdersPerSecondMax);
        var reader = new BatchReader(
            session.Deliveries, Math.Min(_options.BatchSizeMax, ceiling.BurstMax), TimeSpan.FromMilliseconds(_options.BatchWaitMsMax), time);
        Task<OrderBatch?>? ahead = null;
        try
        {
            while (await (ahead ?? reader.ReadAsync(quit)) is { } batch)
            {
                // A full batch means that more is waiting: it is read while MySQL works on this one. Otherwise it had better gather.
                ahead = batch.Orders.Count >= _options.BatchSizeMax ? Task.Run(() => reader.ReadAsync(quit), CancellationToken.None) : null;
                CrashPoint.Reach(CrashPoint.Received);
                if (Sabotage.Is(Sabotage.AckBeforeCommit))
                {
                    await AckAsync(session, batch, processing);
                }

                if (!await ceiling.WaitAsync(batch.Orders.Count, quit)
                    || !await writer.WriteAsync(batch, quit, processing)
                    || !await TryHandOverAsync(written, batch, processing))
                {
                    batch.Dispose();
                    return;
                }
            }

            ahead = null;
        }
        finally
        {
            written.TryComplete();
            if (ahead is not null)
            {
                (await ahead)?.Dispose();
            }
        }
    }

    /// <summary>False when the second stage has failed; its own task says why.</summary>
    private static async Task<bool> TryHandOverAsync(ChannelWriter<OrderBatch> written, OrderBatch batch, CancellationToken processing)
    {
        while (await written.WaitToWriteAsync(processing))
        {
            if (written.TryWrite(batch))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Second stage: settles, dead-letters, acks. Its failure ends the first stage too.</summary>
    private async Task SettleAllAsync(
        ConsumerSession session, Channel<OrderBatch> written, CancellationTokenSource quit, CancellationToken processing)
    {
        try
        {
            await foreach (var batch in written.Reader.ReadAllAsync(CancellationToken.None))
            {
                using (batch)
                {
                    await settler.SettleAsync(batch, quit.Token, processing);
                    CrashPoint.Reach(CrashPoint.Settled);
                    await SendDeadLettersAsync(session, batch, processing);
                    if (!Sabotage.Is(Sabotage.AckBeforeCommit))
                    {
                        await AckAsync(session, batch, processing);
                    }

                    CrashPoint.Reach(CrashPoint.Acked);
                }
            }
        }
        catch
        {
            await quit.CancelAsync();
            written.Writer.TryComplete();
            while (written.Reader.TryRead(out var batch))
            {
                batch.Dispose();
            }

            throw;
        }
    }

    private async Task SendDeadLettersAsync(ConsumerSession session, OrderBatch batch, CancellationToken processing)
    {
        if (batch.DeadLetters.Count == 0)
        {
            return;
        }

        var channel = await session.ConfirmingChannelAsync(processing);
        foreach (var letter in batch.DeadLetters)
        {
            await DeadLetterPublisher.PublishAsync(channel, letter, time, _options.ConfirmTimeoutMs, processing);
            CrashPoint.Reach(CrashPoint.DeadLettered);
            counters.Add(PulseCounter.Errors);
            LogDeadLettered(letter.Delivery.Properties.MessageId, letter.Reason);
        }
    }

    private async Task AckAsync(ConsumerSession session, OrderBatch batch, CancellationToken processing)
    {
        await session.AckUpToAsync(batch.LastTag, processing);
        _reconnect.Reset();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Consuming orders, {PrefetchCount} ahead at most")]
    private partial void LogConsuming(ushort prefetchCount);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Consuming broke off: {Reason}; what was not acked comes again")]
    private partial void LogSessionFailed(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Messages go back to the queue: {Reason}")]
    private partial void LogReturned(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Stopped with orders in hand: {Reason}; they come again")]
    private partial void LogStopIncomplete(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Dead-lettered message {MessageId}, which can never become an order: {Reason}")]
    private partial void LogDeadLettered(string? messageId, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The consumer was not cancelled: {Reason}")]
    private partial void LogNotCancelled(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "No longer consuming")]
    private partial void LogStopped();
}
