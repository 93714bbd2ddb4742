using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Publishing;

/// <summary>
/// Publishes orders with tracked confirms: a bounded queue, a few loops, each with its own AMQP channel and a bounded window of
/// unconfirmed messages. What fails or stays unconfirmed is not repeated here; it stands in the outbox and the sweeper takes it up.
/// </summary>
public sealed partial class OrderPublisher(
    IConnectionFactory connections, OutboxConfirmations confirmations, IOptions<PublishOptions> options, TimeProvider time, ILogger<OrderPublisher> logger)
    : BackgroundService
{
    private static readonly ActivitySource Source = new("Seckill.Api");
    private static readonly Histogram<double> ConfirmLatency = OrderingTelemetry.Meter.CreateHistogram<double>(
        "seckill.publish.confirm_latency", "s", "From the hand-over to the publisher to the broker's confirm.");

    private sealed record Publication(SkuKeys Sku, OrderMessage Message, ActivityContext Parent, long QueuedAt)
    {
        public TaskCompletionSource<bool> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private readonly PublishOptions _options = options.Value;
    private readonly Channel<Publication> _waiting = Channel.CreateBounded<Publication>(options.Value.WaitingMax);
    private int _connectedLoops;

    /// <summary>Whether any loop has the broker.</summary>
    public bool Connected => Volatile.Read(ref _connectedLoops) > 0;

    /// <summary>
    /// Hands an order over. The task says whether the broker confirmed it, and never fails; null means that it was not taken (no broker, or too
    /// many waiting) and stays in the outbox.
    /// </summary>
    public Task<bool>? TryPublish(SkuKeys sku, OrderMessage message, ActivityContext parent)
    {
        if (!Connected)
        {
            return null;
        }

        var publication = new Publication(sku, message, parent, time.GetTimestamp());
        return _waiting.Writer.TryWrite(publication) ? publication.Done.Task : null;
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
                await using var connection = await ConnectAsync(stoppingToken);
                // Limiter null: the window below bounds what is in flight, without a lock for each publish.
                await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), stoppingToken);
                await OrderTopology.DeclareAsync(channel, stoppingToken);
                delay = _options.ReconnectDelayMs;
                await RunAsync(channel, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogDisconnected(exception.Message);
            }

            var jittered = TimeSpan.FromMilliseconds(delay * (0.5 + Random.Shared.NextDouble()));
            await Task.Delay(jittered, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delay = Math.Min(delay * 2, _options.ReconnectDelayMsMax);
        }
    }

    private async Task<IConnection> ConnectAsync(CancellationToken stoppingToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        deadline.CancelAfter(_options.ConnectTimeoutMs);
        return await connections.CreateConnectionAsync("seckill-api publisher", deadline.Token);
    }

    private async Task RunAsync(IChannel channel, CancellationToken stoppingToken)
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        using var window = new SemaphoreSlim(_options.InFlightMax);
        using var deadlines = new DeadlineTokens(TimeSpan.FromMilliseconds(_options.ConfirmTimeoutMs), time);
        channel.ChannelShutdownAsync += async (_, _) => await CancelAsync(broken);
        Interlocked.Increment(ref _connectedLoops);
        LogConnected();
        try
        {
            while (await _waiting.Reader.WaitToReadAsync(broken.Token))
            {
                await window.WaitAsync(broken.Token);
                if (!_waiting.Reader.TryRead(out var publication))
                {
                    // Another loop was quicker.
                    window.Release();
                    continue;
                }

                _ = PublishAsync(channel, publication, window, broken, deadlines.Next());
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

    private async Task PublishAsync(
        IChannel channel, Publication publication, SemaphoreSlim window, CancellationTokenSource broken, CancellationToken deadline)
    {
        // Its own span, because the library's span takes its parent from the flow of the call, and this loop has none.
        using var span = Source.StartActivity("publish order", ActivityKind.Internal, publication.Parent);
        var confirmed = false;
        try
        {
            var properties = new BasicProperties
            {
                // Each message its own instance: the client writes the trace context into it.
                Persistent = true,
                ContentType = "application/json",
                MessageId = publication.Message.OrderId?.ToString(System.Globalization.CultureInfo.InvariantCulture),
            };
            var publishing = channel.BasicPublishAsync(
                OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, properties, publication.Message.ToUtf8Json(), deadline);
            CrashPoint.Reach(CrashPoint.Published);
            await publishing;
            CrashPoint.Reach(CrashPoint.Confirmed);
            confirmed = true;
            confirmations.Add(publication.Sku, publication.Message.OrderId!.Value);
            ConfirmLatency.Record(time.GetElapsedTime(publication.QueuedAt).TotalSeconds);
        }
        catch (Exception exception)
        {
            // Nack, return, time-out or a lost connection: the order stays in the outbox, the buyer's answer stays "queued".
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            LogUnconfirmed(publication.Message.OrderId, exception.Message);
            if (exception is not RabbitMQ.Client.Exceptions.PublishException)
            {
                await CancelAsync(broken);
            }
        }
        finally
        {
            window.Release();
            publication.Done.SetResult(confirmed);
        }
    }

    /// <summary>The last of what waits has no broker to go to: its buyers are answered now.</summary>
    private void LeaveToOutbox()
    {
        while (_waiting.Reader.TryRead(out var publication))
        {
            publication.Done.SetResult(false);
        }
    }

    /// <summary>Waits until nothing uses the channel any more; each publish has its own deadline, so this ends.</summary>
    private async Task DrainAsync(SemaphoreSlim window)
    {
        for (var i = 0; i < _options.InFlightMax; i++)
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
            // The loop that this was to end has ended.
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Publishing to RabbitMQ")]
    private partial void LogConnected();

    [LoggerMessage(Level = LogLevel.Warning, Message = "No RabbitMQ: {Reason}; orders wait in the outbox")]
    private partial void LogDisconnected(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Order {OrderId} has no confirm: {Reason}; it stays in the outbox")]
    private partial void LogUnconfirmed(long? orderId, string reason);
}
