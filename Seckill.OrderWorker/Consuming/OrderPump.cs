using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Migrating;
using Seckill.OrderWorker.Writing;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Keeps the worker at the queue: opens a session once the schema is there, lets <see cref="BatchPipeline"/> work on what comes, and opens
/// the next when a session has ended, with back-off. What was not acked comes again.
/// </summary>
internal sealed partial class OrderPump(
    IConnectionFactory connections, Migrator migrator, BatchPipeline pipeline, BatchWriter writer, WorkerHealth health,
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
                await ConsumeAsync(prefetchCount, stoppingToken);
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

    private async Task ConsumeAsync(ushort prefetchCount, CancellationToken stoppingToken)
    {
        await using var session = await ConsumerSession.OpenAsync(connections, prefetchCount, time, stoppingToken);
        health.Consuming = true;
        LogConsuming(prefetchCount);
        try
        {
            await pipeline.RunAsync(session, stoppingToken);
        }
        finally
        {
            if (session.HasAcked)
            {
                _reconnect.Reset();
            }
        }
    }

    private ushort PrefetchCount() => _options.OrdersPerSecondMax == 0
        ? (ushort)_options.PrefetchCountMax
        : (ushort)Math.Clamp(
            (long)_options.OrdersPerSecondMax * WaitInWorkerSecondsMax / OrdersPerMessageUsual, 2, _options.PrefetchCountMax);

    [LoggerMessage(Level = LogLevel.Information, Message = "Consuming orders, {PrefetchCount} ahead at most")]
    private partial void LogConsuming(ushort prefetchCount);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Consuming broke off: {Reason}; what was not acked comes again")]
    private partial void LogSessionFailed(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Messages go back to the queue: {Reason}")]
    private partial void LogReturned(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Stopped with orders in hand: {Reason}; they come again")]
    private partial void LogStopIncomplete(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "No longer consuming")]
    private partial void LogStopped();
}
