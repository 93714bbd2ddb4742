using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Broker;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Publishing;

/// <summary>
/// Publishes orders with tracked confirms: a bounded queue and a few loops, each with its own AMQP channel and a small window of
/// unconfirmed messages. While the window is full, orders accumulate, and the next message takes up to <c>OrdersPerMessageMax</c> of them;
/// so a burst needs few messages and a lone order never waits. A publish that fails or stays unconfirmed is not repeated here: the outbox
/// has the order, and the sweeper publishes it again.
/// </summary>
public sealed partial class OrderPublisher(
    IConnectionFactory connections, OutboxConfirmations confirmations, PublishingHealth health, PulseCounters counters,
    IOptions<PublishOptions> options, TimeProvider time, ILogger<OrderPublisher> logger)
    : BackgroundService
{
    /// <summary>
    /// Longest wait for a connection to close, ms. Nothing is in flight by then, so there is no point in waiting for a broker that hangs.
    /// </summary>
    private const int CloseTimeoutMs = 500;

    private static readonly Histogram<double> ConfirmLatency = OrderingTelemetry.Meter.CreateHistogram<double>(
        "seckill.publish.confirm_latency", "s", "From the hand-over to the publisher to the broker's confirm.");

    private static readonly Histogram<int> MessageSize = OrderingTelemetry.Meter.CreateHistogram<int>(
        "seckill.publish.orders", "{order}", "Orders in one message.");

    private readonly PublishOptions _options = options.Value;
    private readonly Channel<Publication> _waiting = Channel.CreateBounded<Publication>(options.Value.WaitingMax);

    /// <summary>At most one for each message in flight.</summary>
    private readonly ConcurrentBag<PublishBody> _bodies = [];
    private int _connectedLoops;

    /// <summary>Whether any loop is connected to the broker.</summary>
    public bool Connected => Volatile.Read(ref _connectedLoops) > 0;

    /// <summary>
    /// Accepts an order. False means that it was not accepted (no broker, or too many waiting): it stays in the outbox, and
    /// <see cref="Publication.Complete"/> is not called.
    /// </summary>
    public bool TryPublish(Publication order)
    {
        if (!Connected)
        {
            return false;
        }

        order.TakenAt = time.GetTimestamp();
        return _waiting.Writer.TryWrite(order);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, _options.ChannelsMax).Select(_ => KeepConnectedAsync(stoppingToken)));

    private async Task KeepConnectedAsync(CancellationToken stoppingToken)
    {
        var delay = _options.ReconnectDelayMs;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                IChannel? channel = null;
                var connection = await connections.OpenAsync(
                    "seckill-api publisher", TimeSpan.FromMilliseconds(_options.ConnectTimeoutMs),
                    async (opened, token) =>
                    {
                        // No rate limiter: the window below bounds the messages in flight, without a lock for each publish.
                        channel = await opened.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), token);
                        await OrderTopology.EnsureAsync(opened, token);
                    }, time, stoppingToken);
                delay = _options.ReconnectDelayMs;
                try
                {
                    health.Opened(connection);
                    await RunAsync(channel!, stoppingToken);
                }
                finally
                {
                    health.Closed(connection);
                    await connection.CloseWithinAsync(TimeSpan.FromMilliseconds(CloseTimeoutMs), time);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogDisconnected(exception.Message);
                if (!Connected)
                {
                    health.NoteAway(exception.Message);
                }
            }

            var jittered = TimeSpan.FromMilliseconds(delay * (0.5 + Random.Shared.NextDouble()));
            await Task.Delay(jittered, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delay = Math.Min(delay * 2, _options.ReconnectDelayMsMax);
        }
    }

    private async Task RunAsync(IChannel channel, CancellationToken stoppingToken)
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        using var window = new SemaphoreSlim(_options.InFlightMaxNow);
        using var deadlines = new DeadlineTokens(TimeSpan.FromMilliseconds(_options.ConfirmTimeoutMs), time);
        channel.ChannelShutdownAsync += async (_, _) => await CancelAsync(broken);
        Interlocked.Increment(ref _connectedLoops);
        LogConnected();
        try
        {
            while (await _waiting.Reader.WaitToReadAsync(broken.Token))
            {
                await window.WaitAsync(broken.Token);
                var orders = TakeWaiting();
                if (orders.Length == 0)
                {
                    // Another loop took it first.
                    window.Release();
                    continue;
                }

                _ = PublishAsync(channel, orders, window, broken, deadlines.Next());
            }
        }
        catch (OperationCanceledException) when (broken.IsCancellationRequested && !stoppingToken.IsCancellationRequested)
        {
            throw new IOException("the connection to RabbitMQ was lost or did not confirm in time");
        }
        finally
        {
            if (Interlocked.Decrement(ref _connectedLoops) == 0)
            {
                LeaveToOutbox();
            }

            await DrainAsync(window);
        }
    }

    private Publication[] TakeWaiting()
    {
        var orders = new List<Publication>(Math.Min(_options.OrdersPerMessageMax, Math.Max(1, _waiting.Reader.Count)));
        while (orders.Count < _options.OrdersPerMessageMax && _waiting.Reader.TryRead(out var order))
        {
            orders.Add(order);
        }

        return [.. orders];
    }

    private async Task PublishAsync(
        IChannel channel, Publication[] orders, SemaphoreSlim window, CancellationTokenSource broken, CancellationToken deadline)
    {
        using var trace = PublishTrace.Start(orders);
        var confirmed = false;
        var body = _bodies.TryTake(out var used) ? used : new PublishBody();
        try
        {
            var properties = new BasicProperties
            {
                // A new instance for each message: the client writes the trace context into it.
                Persistent = true,
                ContentType = "application/json",
                MessageId = orders.Length == 1 ? orders[0].Message.OrderId?.ToString(CultureInfo.InvariantCulture) : null,
            };
            var publishing = OrderTopology.PublishAsync(
                channel, OrderTopology.Exchange, OrderTopology.RoutingKey, properties, body.Write(orders), deadline);
            CrashPoint.Reach(CrashPoint.Published);
            await publishing;
            // Only after success: after a failure the client may still hold the buffer.
            _bodies.Add(body);
            CrashPoint.Reach(CrashPoint.Confirmed);
            confirmed = true;
            health.NoteConfirmed();
            MessageSize.Record(orders.Length);
        }
        catch (Exception exception)
        {
            // Nack, return, time-out or a lost connection: the orders stay in the outbox, and the buyers' answers stay "queued".
            trace.Fail(exception.Message);
            LogUnconfirmed(orders.Length, orders[0].Message.OrderId, exception.Message);
            health.NoteFailed(exception.Message);
            if (exception is not RabbitMQ.Client.Exceptions.PublishException)
            {
                await CancelAsync(broken);
            }
        }
        finally
        {
            window.Release();
            Complete(orders, confirmed);
        }
    }

    private void Complete(Publication[] orders, bool confirmed)
    {
        if (confirmed)
        {
            counters.Add(PulseCounter.Confirmed, orders.Length);
        }

        foreach (var order in orders)
        {
            if (confirmed)
            {
                confirmations.Add(order.Sku, order.Message.OrderId!.Value);
                ConfirmLatency.Record(time.GetElapsedTime(order.TakenAt).TotalSeconds);
            }

            order.Complete(confirmed);
        }
    }

    /// <summary>No broker is left for the orders still waiting: their buyers are answered now.</summary>
    private void LeaveToOutbox()
    {
        while (_waiting.Reader.TryRead(out var order))
        {
            order.Complete(confirmed: false);
        }
    }

    /// <summary>Waits until the channel is no longer in use; each publish has its own deadline, so this ends.</summary>
    private async Task DrainAsync(SemaphoreSlim window)
    {
        for (var i = 0; i < _options.InFlightMaxNow; i++)
        {
            await window.WaitAsync(CancellationToken.None);
        }
    }

    private static async Task CancelAsync(CancellationTokenSource source)
    {
        try
        {
            await source.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The loop to be stopped has already ended.
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Publishing to RabbitMQ")]
    private partial void LogConnected();

    [LoggerMessage(Level = LogLevel.Warning, Message = "RabbitMQ is unavailable: {Reason}; orders wait in the outbox")]
    private partial void LogDisconnected(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "{Count} orders starting with {OrderId} were not confirmed: {Reason}; they stay in the outbox")]
    private partial void LogUnconfirmed(int count, long? orderId, string reason);
}
