using System.Diagnostics;
using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// One connection with one consumer, from opening to its end; what comes after is a new one. Delivery tags mean something only here, so
/// nothing of a session outlives it: what is not acked when it ends, the broker delivers again.
/// </summary>
internal sealed class ConsumerSession : IAsyncDisposable
{
    private const int CloseTimeoutMs = 5_000;

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly TimeProvider _time;
    private readonly Channel<Delivery> _deliveries;
    private readonly CancellationTokenSource _ended = new();
    private IChannel? _confirming;
    private string? _consumerTag;

    private ConsumerSession(IConnection connection, IChannel channel, ushort prefetchCount, TimeProvider time)
    {
        (_connection, _channel, _time) = (connection, channel, time);

        // The broker hands out no more than the prefetch ahead of the acks, so there is always room.
        _deliveries = Channel.CreateBounded<Delivery>(
            new BoundedChannelOptions(prefetchCount) { SingleReader = true, SingleWriter = true, AllowSynchronousContinuations = false });
        Ended = _ended.Token;
    }

    /// <summary>Messages in the order of their tags; completes when the session has ended.</summary>
    public ChannelReader<Delivery> Deliveries => _deliveries.Reader;

    /// <summary>Fires when the connection, the channel or the consumer is gone.</summary>
    public CancellationToken Ended { get; }

    /// <summary>Connects, declares the route and consumes.</summary>
    public static async Task<ConsumerSession> OpenAsync(
        IConnectionFactory connections, ushort prefetchCount, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await connections.CreateConnectionAsync("seckill-orderworker", cancellationToken);
        try
        {
            var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
            await OrderTopology.DeclareAsync(channel, cancellationToken);
            await channel.BasicQosAsync(0, prefetchCount, global: false, cancellationToken);
            var session = new ConsumerSession(connection, channel, prefetchCount, time);
            await session.ConsumeAsync(cancellationToken);
            return session;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks the broker for no more; what was handed out already keeps its tags.</summary>
    public async Task StopConsumingAsync(CancellationToken cancellationToken)
    {
        if (_channel.IsOpen && _consumerTag is not null)
        {
            await _channel.BasicCancelAsync(_consumerTag, cancellationToken: cancellationToken);
        }
    }

    /// <summary>Whether anything has got through to its ack.</summary>
    public bool HasAcked { get; private set; }

    /// <summary>Acks everything up to a tag.</summary>
    public async Task AckUpToAsync(ulong tag, CancellationToken cancellationToken)
    {
        await _channel.BasicAckAsync(tag, multiple: true, cancellationToken);
        HasAcked = true;
    }

    /// <summary>A channel with tracked confirms on the same connection, for what must not be lost. For one caller at a time.</summary>
    public async Task<IChannel> ConfirmingChannelAsync(CancellationToken cancellationToken) =>
        _confirming ??= await _connection.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        // Closing in order flushes the last acks. A broker that is gone must not hold up the next session.
        try
        {
            var timeout = TimeSpan.FromMilliseconds(CloseTimeoutMs);
            using var deadline = new CancellationTokenSource(timeout, _time);
            await _connection.CloseAsync(Constants.ReplySuccess, "worker stops", timeout, abort: true, deadline.Token)
                .WaitAsync(deadline.Token);
            await _connection.DisposeAsync().AsTask().WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // Discarded unclosed; the broker notices by the missing heartbeat and delivers again what was not acked.
        }
        finally
        {
            await EndAsync();
        }
    }

    private async Task ConsumeAsync(CancellationToken cancellationToken)
    {
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += OnReceivedAsync;
        consumer.UnregisteredAsync += (_, _) => EndAsync();
        consumer.ShutdownAsync += (_, _) => EndAsync();
        _channel.ChannelShutdownAsync += (_, _) => EndAsync();
        _connection.ConnectionShutdownAsync += (_, _) => EndAsync();
        _consumerTag = await _channel.BasicConsumeAsync(OrderTopology.Queue, autoAck: false, consumer, cancellationToken);
    }

    /// <summary>Copies and returns; never throws, since the client would not nack for it.</summary>
    private async Task OnReceivedAsync(object sender, BasicDeliverEventArgs args)
    {
        var properties = args.BasicProperties;
        var delivery = new Delivery(args.DeliveryTag, args.Body.ToArray(), properties, TraceOf(properties), _time.GetUtcNow());
        if (!_deliveries.Writer.TryWrite(delivery))
        {
            // More than the prefetch, or after the end: the broker has to deliver it again.
            await EndAsync();
        }
    }

    /// <summary>Asynchronous, because who waits for the end must not run on the client's own loop.</summary>
    private Task EndAsync()
    {
        _deliveries.Writer.TryComplete();
        return _ended.CancelAsync();
    }

    /// <summary>The client's own deliver span if it belongs to the click's trace, else what the headers say.</summary>
    private static ActivityContext TraceOf(IReadOnlyBasicProperties properties)
    {
        var sent = RabbitMQActivitySource.ContextExtractor(properties);
        return Activity.Current is { } deliver && (sent == default || deliver.TraceId == sent.TraceId) ? deliver.Context : sent;
    }
}
