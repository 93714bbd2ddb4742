using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Unreadable;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.DeadLetters;
using Seckill.OrderWorker.Migrating;
using Seckill.OrderWorker.Writing;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Keeps a consumer on the queue: opens a session once the schema exists, runs <see cref="BatchPipeline"/> on its messages, and opens the
/// next session, with back-off, when one has ended. Unacked messages are delivered again. Messages that the client cannot read are removed
/// from the queue between two sessions.
/// </summary>
internal sealed partial class OrderPump(
    IConnectionFactory connections, Migrator migrator, BatchPipeline pipeline, BatchWriter writer, UnreadableMessages unreadable,
    DeadLetterPublisher deadLetters, WorkerHealth health, IOptions<WorkerOptions> options, TimeProvider time, ILogger<OrderPump> logger)
    : BackgroundService
{
    /// <summary>
    /// Longest wait in the worker under a rate ceiling: it must finish its messages before the broker's consumer time-out.
    /// </summary>
    private const int WaitInWorkerSecondsMax = 300;

    /// <summary>Orders that the gate puts into one message under load.</summary>
    private const int OrdersPerMessageUsual = 64;

    private readonly WorkerOptions _options = options.Value;
    private readonly Backoff _reconnect = new(options.Value, time);
    private readonly SessionPace _pace = new(PrefetchCount(options.Value), options.Value.HeldBytesMax);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await migrator.Migrated.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ConsumeAsync(stoppingToken);
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

    private async Task ConsumeAsync(CancellationToken stoppingToken)
    {
        var (end, endpoint) = await RunSessionAsync(stoppingToken);
        if (end.Kind == SessionEndKind.Unreadable && !stoppingToken.IsCancellationRequested)
        {
            await TakeUnreadableAsync(endpoint, stoppingToken);
        }
    }

    private async Task<(SessionEnd End, AmqpTcpEndpoint Endpoint)> RunSessionAsync(CancellationToken stoppingToken)
    {
        var plan = _pace.Next;
        await using var session = await ConsumerSession.OpenAsync(
            connections, TimeSpan.FromMilliseconds(_options.ConnectTimeoutMs), plan, health, time, stoppingToken);
        using var length = new CancellationTokenSource(
            plan.LengthMsMax is { } ms ? TimeSpan.FromMilliseconds(ms) : Timeout.InfiniteTimeSpan, time);
        await using var timeUp = length.Token.Register(() => _ = session.EndAsync(SessionEndKind.TimeUp, "back to the usual prefetch"));
        health.Consuming = true;
        LogConsuming(plan.PrefetchCount);
        Exception? failure = null;
        try
        {
            await pipeline.RunAsync(session, stoppingToken);
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        var end = session.End ?? new SessionEnd(SessionEndKind.Failed, failure?.Message ?? "stopped");
        Conclude(session, end, failure, stoppingToken);
        ForgetTrouble(failure);
        if (failure is not null && end.Kind != SessionEndKind.Unreadable)
        {
            throw failure;
        }

        return (end, session.Endpoint);
    }

    /// <summary>Plans the next session.</summary>
    private void Conclude(ConsumerSession session, SessionEnd end, Exception? failure, CancellationToken stoppingToken)
    {
        if (session.HasAcked || end.Kind == SessionEndKind.Unreadable)
        {
            _reconnect.Reset();
        }

        if (stoppingToken.IsCancellationRequested)
        {
            return;
        }

        LogEnded(end.Kind, end.Reason, session.HeldCount);
        var isOutage = failure is HeldTooLongException || health.WritingTrouble is not null || health.SettlingTrouble is not null;
        _pace.SessionEnded(end, session.HasAcked, isOutage, session.HeldCount, session.Fingerprint, session.LargestBodyBytes);
        if (_pace.Next.PrefetchCount == 1)
        {
            LogCareful(end.Reason);
        }
    }

    /// <summary>
    /// The next orders show whether the trouble is over, and there may be none for a long time. An outage that outlasted its messages is
    /// reported until <see cref="BatchWriter.WaitUntilReachableAsync"/> finds its end.
    /// </summary>
    private void ForgetTrouble(Exception? failure)
    {
        health.SettlingTrouble = null;
        if (failure is not HeldTooLongException)
        {
            health.WritingTrouble = null;
        }
    }

    private async Task TakeUnreadableAsync(AmqpTcpEndpoint endpoint, CancellationToken stoppingToken)
    {
        var taken = await unreadable.TakeAsync(
            endpoint, OrderTopology.Queue, _options.PrefetchCountMax,
            async (message, token) => (await deadLetters.PublishAsync([DeadLetter.Of(message, time.GetUtcNow())], token)).Count == 0,
            stoppingToken);
        LogUnreadable(taken);
    }

    private static ushort PrefetchCount(WorkerOptions options) => options.OrdersPerSecondMax == 0
        ? (ushort)options.PrefetchCountMax
        : (ushort)Math.Clamp(
            (long)options.OrdersPerSecondMax * WaitInWorkerSecondsMax / OrdersPerMessageUsual, 2, options.PrefetchCountMax);

    [LoggerMessage(Level = LogLevel.Information, Message = "Consuming orders, prefetch {PrefetchCount}")]
    private partial void LogConsuming(ushort prefetchCount);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Consuming failed: {Reason}; unacked messages will be redelivered")]
    private partial void LogSessionFailed(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Messages go back to the queue: {Reason}")]
    private partial void LogReturned(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Stopped with unfinished orders: {Reason}; they will be redelivered")]
    private partial void LogStopIncomplete(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "A session has ended ({Kind}: {Reason}) with {HeldCount} unacked messages, which will be redelivered")]
    private partial void LogEnded(SessionEndKind kind, string reason, int heldCount);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Nothing was acked, so messages are taken one at a time for a while: {Reason}")]
    private partial void LogCareful(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} unreadable messages were taken off the order queue")]
    private partial void LogUnreadable(int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "No longer consuming")]
    private partial void LogStopped();
}
