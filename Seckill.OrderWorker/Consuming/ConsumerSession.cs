using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Ordering.Broker;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Unreadable;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// One connection with one consumer, from opening to its end. Delivery tags are valid only within it, so nothing outlives a session: the
/// broker delivers every unacked message again when it ends.
/// </summary>
internal sealed class ConsumerSession : IAsyncDisposable
{
    private const int CloseTimeoutMs = 5_000;

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly WorkerHealth _health;
    private readonly TimeProvider _time;
    private readonly Channel<Delivery> _deliveries;
    private readonly CancellationTokenSource _ended = new();
    private readonly SessionPlan _plan;
    private SessionEnd? _end;
    private string? _consumerTag;
    private ulong _receivedTag;
    private ulong _settledTag;
    private long _heldBytes;

    private ConsumerSession(IConnection connection, IChannel channel, SessionPlan plan, WorkerHealth health, TimeProvider time)
    {
        (_connection, _channel, _plan, _health, _time) = (connection, channel, plan, health, time);

        // Unacked messages never exceed the prefetch, so there is always room.
        _deliveries = Channel.CreateBounded<Delivery>(
            new BoundedChannelOptions(
                plan.PrefetchCount)
            { SingleReader = true, SingleWriter = true, AllowSynchronousContinuations = false });
        Ended = _ended.Token;
    }

    /// <summary>Messages in the order of their tags; completes when the session has ended.</summary>
    public ChannelReader<Delivery> Deliveries => _deliveries.Reader;

    /// <summary>Fires when the connection, the channel or the consumer is gone, or when the session accepts no more messages.</summary>
    public CancellationToken Ended { get; }

    /// <summary>Why the session ended; null while it is open.</summary>
    public SessionEnd? End => Volatile.Read(ref _end);

    /// <summary>Whether at least one message has been acked.</summary>
    public bool HasAcked { get; private set; }

    /// <summary>Unacked messages, including one that could not be accepted.</summary>
    public int HeldCount => (int)(Volatile.Read(ref _receivedTag) - Volatile.Read(ref _settledTag));

    /// <summary>Fingerprint of the newest message, if messages are delivered one at a time.</summary>
    public string? Fingerprint { get; private set; }

    /// <summary>Bytes of the largest body received.</summary>
    public long LargestBodyBytes { get; private set; }

    /// <summary>The broker that it is connected to.</summary>
    public AmqpTcpEndpoint Endpoint => _connection.Endpoint;

    /// <summary>Connects, declares the route and starts consuming, all within one deadline.</summary>
    /// <exception cref="TimeoutException">The broker did not answer everything in time.</exception>
    public static async Task<ConsumerSession> OpenAsync(
        IConnectionFactory connections, TimeSpan timeout, SessionPlan plan, WorkerHealth health, TimeProvider time,
        CancellationToken cancellationToken)
    {
        ConsumerSession? session = null;
        try
        {
            await connections.OpenAsync(
                "seckill-orderworker", timeout,
                async (connection, token) =>
                {
                    var channel = await connection.CreateChannelAsync(cancellationToken: token);
                    await OrderTopology.EnsureAsync(connection, token);
                    await channel.BasicQosAsync(0, plan.PrefetchCount, global: false, token);
                    session = new ConsumerSession(connection, channel, plan, health, time);
                    await session.ConsumeAsync(token);
                }, time, cancellationToken);
            return session!;
        }
        catch
        {
            // The first messages may already have arrived.
            health.NoteSessionEnded();
            throw;
        }
    }

    /// <summary>Stops further deliveries; messages already delivered keep their tags.</summary>
    public async Task StopConsumingAsync(CancellationToken cancellationToken)
    {
        if (_channel.IsOpen && _consumerTag is not null)
        {
            await _channel.BasicCancelAsync(_consumerTag, cancellationToken: cancellationToken);
        }
    }

    /// <summary>
    /// Acks a batch, except the messages that the broker must dead-letter itself and those that it must deliver again. Batches must come in
    /// the order of their tags without a gap, since an ack covers everything before it.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is a gap; nothing was acked.</exception>
    public async Task SettleAsync(
        OrderBatch batch, IReadOnlySet<ulong> rejectedTags, IReadOnlySet<ulong> returnedTags, CancellationToken cancellationToken)
    {
        if (batch.FirstTag != _settledTag + 1)
        {
            throw new InvalidOperationException(
                $"A batch begins with delivery {batch.FirstTag}, and the last that was settled is {_settledTag}.");
        }

        // Different orders may put one message into both lists; redelivery wins, and the message is processed again.
        foreach (var tag in rejectedTags.Union(returnedTags))
        {
            await _channel.BasicRejectAsync(tag, requeue: returnedTags.Contains(tag), cancellationToken);
        }

        // The broker closes the channel when a tag is settled twice.
        var last = batch.LastTag;
        while (last >= batch.FirstTag && (rejectedTags.Contains(last) || returnedTags.Contains(last)))
        {
            last--;
        }

        if (last >= batch.FirstTag)
        {
            await _channel.BasicAckAsync(last, multiple: true, cancellationToken);
        }

        var count = (int)(batch.LastTag - _settledTag);
        Volatile.Write(ref _settledTag, batch.LastTag);
        Interlocked.Add(ref _heldBytes, -batch.BodyBytes);
        HasAcked = true;
        _health.NoteSettled(count);
    }

    /// <summary>Accepts no more messages. Those already accepted may be finished.</summary>
    public Task EndAsync(SessionEndKind kind, string reason)
    {
        Interlocked.CompareExchange(ref _end, new SessionEnd(kind, reason), null);
        _deliveries.Writer.TryComplete();
        // Asynchronous: a continuation that waits for the end must not run on the client's own loop.
        return _ended.CancelAsync();
    }

    public async ValueTask DisposeAsync()
    {
        // A graceful close flushes the last acks. A broker that is gone must not delay the next session.
        try
        {
            await _connection.CloseWithinAsync(TimeSpan.FromMilliseconds(CloseTimeoutMs), _time);
        }
        finally
        {
            await EndAsync(SessionEndKind.Lost, "closed");
            _health.NoteSessionEnded();
        }
    }

    private async Task ConsumeAsync(CancellationToken cancellationToken)
    {
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += OnReceivedAsync;
        consumer.UnregisteredAsync += (_, _) => EndAsync(SessionEndKind.Lost, "the consumer was cancelled");
        consumer.ShutdownAsync += (_, args) => OnShutdownAsync(args);
        _channel.ChannelShutdownAsync += (_, args) => OnShutdownAsync(args);
        _channel.CallbackExceptionAsync += (_, args) => EndAsync(SessionEndKind.Failed, $"a delivery failed: {args.Exception.Message}");
        _connection.ConnectionShutdownAsync += (_, args) => OnShutdownAsync(args);
        _consumerTag = await _channel.BasicConsumeAsync(OrderTopology.Queue, autoAck: false, consumer, cancellationToken);
    }

    private Task OnShutdownAsync(ShutdownEventArgs args) => UnreadableMessages.IsSuspectedOf(args)
        ? EndAsync(SessionEndKind.Unreadable, args.ReplyText)
        : EndAsync(SessionEndKind.Lost, args.ReplyText);

    /// <summary>
    /// Accepts a delivery and returns. The client neither nacks nor stops when this throws: the next delivery would arrive, and its ack
    /// would cover the lost one. So any failure here ends the session.
    /// </summary>
    private async Task OnReceivedAsync(object sender, BasicDeliverEventArgs args)
    {
        SessionEnd? end;
        try
        {
            end = TakeOver(args);
        }
        catch (Exception exception)
        {
            end = new SessionEnd(SessionEndKind.Failed, $"delivery {args.DeliveryTag} failed: {exception.Message}");
        }

        if (end is not null)
        {
            await EndAsync(end.Kind, end.Reason);
        }
    }

    private SessionEnd? TakeOver(BasicDeliverEventArgs args)
    {
        if (args.DeliveryTag != _receivedTag + 1)
        {
            return new SessionEnd(SessionEndKind.Failed, $"delivery {args.DeliveryTag} came after {_receivedTag}");
        }

        var size = args.Body.Length;
        LargestBodyBytes = Math.Max(LargestBodyBytes, size);
        var (kept, held) = (size <= OrderTopology.MessageBytesMax ? size : UnreadableMessages.BodyHeadBytesMax, HeldCount);
        Volatile.Write(ref _receivedTag, args.DeliveryTag);
        if (Interlocked.Add(ref _heldBytes, kept) > _plan.HeldBytesMax && held > 0)
        {
            return new SessionEnd(SessionEndKind.TooManyBytes, $"the unacked bodies have more than {_plan.HeldBytesMax} bytes");
        }

        var properties = args.BasicProperties;
        var condemned = _plan.PrefetchCount == 1 ? Judge(args.Body.Span[..kept], properties.MessageId) : null;
        var delivery = new Delivery(
            args.DeliveryTag, args.Body.Span[..kept].ToArray(), properties, DeliveryTrace.Of(properties), _time.GetUtcNow(), size,
            condemned);
        // Before the message can be settled.
        _health.NoteTaken(args.Redelivered);
        if (!_deliveries.Writer.TryWrite(delivery))
        {
            // More than the prefetch, or after the end: the broker has to deliver it again.
            return new SessionEnd(SessionEndKind.Failed, "more came than the prefetch");
        }

        return null;
    }

    private string? Judge(ReadOnlySpan<byte> body, string? messageId)
    {
        Fingerprint = Suspect.FingerprintOf(body, messageId);
        return _plan.Condemned is { } suspect && suspect.Fingerprint == Fingerprint
            ? $"it alone ended {suspect.EndCount} sessions: {suspect.Reason}"
            : null;
    }
}
