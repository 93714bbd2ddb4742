using System.Diagnostics;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Seckill.Ordering.Contract;

namespace Seckill.Api.DeadLetters;

/// <summary>
/// One operator's call on the dead-letter queue: a connection of its own, letters taken without ack. Those not acked at the end go back,
/// also when the process dies, so the queue itself is the only copy.
/// </summary>
internal sealed class DeadLetterSession : IAsyncDisposable
{
    private const int CloseTimeoutMs = 5_000;

    private static readonly ActivitySource Source = new("Seckill.Api");

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly Lock _lock = new();
    private readonly SortedSet<ulong> _held = [];

    private DeadLetterSession(IConnection connection, IChannel channel) => (_connection, _channel) = (connection, channel);

    /// <summary>Letters in the queue when the scan ended, those it holds included.</summary>
    public long Count { get; private set; }

    public static async Task<DeadLetterSession> OpenAsync(IConnectionFactory connections, CancellationToken cancellationToken)
    {
        var connection = await connections.CreateConnectionAsync("Seckill.Api dead letters", cancellationToken);
        try
        {
            var options = new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);
            var channel = await connection.CreateChannelAsync(options, cancellationToken);
            await OrderTopology.DeclareAsync(channel, cancellationToken);
            return new DeadLetterSession(connection, channel);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes letters from the head of the queue, to its end or to a bound.</summary>
    public async Task<IReadOnlyList<DeadLetter>> ScanAsync(int countMax, long bytesMax, CancellationToken cancellationToken)
    {
        var letters = new List<DeadLetter>();
        var seen = new Dictionary<string, int>();
        var bytes = 0L;
        while (letters.Count < countMax && bytes < bytesMax)
        {
            var got = await _channel.BasicGetAsync(OrderTopology.DeadLetterQueue, autoAck: false, cancellationToken);
            if (got is null)
            {
                Count = letters.Count;
                return letters;
            }

            _held.Add(got.DeliveryTag);
            var letter = DeadLetter.Read(got, seen);
            letters.Add(letter);
            bytes += letter.Body.Length;
            Count = letters.Count + got.MessageCount;
        }

        return letters;
    }

    /// <summary>
    /// Publishes a letter to the order queue and waits for the confirm; only then takes it from here. Dying between leaves it in both, which the
    /// worker makes one order of: the order id is the same.
    /// </summary>
    /// <returns>False when the broker did not take it.</returns>
    public async Task<bool> ReplayAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        // Under the order's own trace, not the operator's request: the client takes its parent, and the header's trace, from the current span.
        Activity.Current = null;
        using var span = Source.StartActivity("replay order", ActivityKind.Internal, letter.Trace);
        try
        {
            await _channel.BasicPublishAsync(
                OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, letter.ToReplay(), letter.Body, cancellationToken);
        }
        catch (PublishException exception)
        {
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            return false;
        }

        await RemoveAsync(letter, cancellationToken);
        return true;
    }

    /// <summary>Takes a letter out of the queue for good.</summary>
    public async ValueTask RemoveAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _held.Remove(letter.DeliveryTag);
        }

        await _channel.BasicAckAsync(letter.DeliveryTag, multiple: false, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(CloseTimeoutMs);
        try
        {
            if (_channel.IsOpen && _held.Count > 0)
            {
                // Closing returns them too, but some time later: the next call must not find the queue empty.
                await _channel.BasicNackAsync(_held.Max, multiple: true, requeue: true, deadline.Token);
            }

            // Closing waits until the broker has seen what was sent before it: the acks.
            await _channel.CloseAsync(deadline.Token);
            await _connection.CloseAsync(deadline.Token);
        }
        catch (Exception exception) when (exception is RabbitMQClientException or OperationCanceledException)
        {
            // The connection is gone, and with it the hold on the letters.
        }

        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
