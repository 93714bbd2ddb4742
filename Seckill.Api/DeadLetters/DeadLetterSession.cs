using System.Diagnostics;
using System.Globalization;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Unreadable;

namespace Seckill.Api.DeadLetters;

/// <summary>
/// One call by an operator on the dead-letter queue. It has its own connection and takes letters without acking them. Letters not acked at
/// the end return to the queue, even when the process dies, so the queue itself is the only copy.
/// </summary>
internal sealed class DeadLetterSession : IAsyncDisposable
{
    private const int CloseTimeoutMs = 5_000;

    /// <summary>Acks that the broker's channel passes on at once, with a safety margin (it starts holding them back at 32).</summary>
    private const int AckBurstMax = 16;

    private static readonly ActivitySource Source = new("Seckill.Api");

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly CancellationTokenSource _lost = new();
    private readonly SortedSet<ulong> _held = [];

    private DeadLetterSession(IConnection connection, IChannel channel)
    {
        (_connection, _channel) = (connection, channel);
        connection.ConnectionShutdownAsync += (_, _) => _lost.CancelAsync();
        channel.ChannelShutdownAsync += (_, _) => _lost.CancelAsync();
    }

    /// <summary>Whether the connection ended because the client could not decode a letter.</summary>
    public bool HasMetUnreadable => _connection.CloseReason is { } end && UnreadableMessages.IsSuspectedOf(end);

    /// <summary>The broker node of this connection.</summary>
    public AmqpTcpEndpoint Endpoint => _connection.Endpoint;

    /// <summary>Letters in the dead-letter queue when the scan ended, including those held by this session.</summary>
    public long Count { get; private set; }

    /// <summary>The same for parked orders.</summary>
    public long ParkedCount { get; private set; }

    public static async Task<DeadLetterSession> OpenAsync(IConnectionFactory connections, CancellationToken cancellationToken)
    {
        var connection = await connections.CreateConnectionAsync("Seckill.Api dead letters", cancellationToken);
        try
        {
            var options = new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);
            var channel = await connection.CreateChannelAsync(options, cancellationToken);
            await OrderTopology.EnsureAsync(connection, cancellationToken);
            return new DeadLetterSession(connection, channel);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes letters from the head of the queue, up to its end or a limit.</summary>
    public async Task<IReadOnlyList<DeadLetter>> ScanAsync(int countMax, long bytesMax, CancellationToken cancellationToken)
    {
        (var letters, Count) = await ScanAsync(OrderTopology.DeadLetterQueue, countMax, bytesMax, cancellationToken);
        return letters;
    }

    /// <summary>
    /// Takes parked orders from the head of their queue. They return to it when the session ends; those that are due are retried then.
    /// </summary>
    public async Task<IReadOnlyList<DeadLetter>> ScanParkedAsync(int countMax, long bytesMax, CancellationToken cancellationToken)
    {
        (var letters, ParkedCount) = await ScanAsync(OrderTopology.ParkedQueue, countMax, bytesMax, cancellationToken);
        return letters;
    }

    private async Task<(List<DeadLetter> Letters, long Count)> ScanAsync(
        string queue, int countMax, long bytesMax, CancellationToken cancellationToken)
    {
        var (letters, count) = (new List<DeadLetter>(), 0L);
        var seen = new Dictionary<string, int>();
        var bytes = 0L;
        while (letters.Count < countMax && bytes < bytesMax)
        {
            var got = await GetAsync(queue, cancellationToken);
            if (got is null)
            {
                return (letters, letters.Count);
            }

            _held.Add(got.DeliveryTag);
            var letter = DeadLetter.Read(got, seen);
            letters.Add(letter);
            bytes += letter.Body.Length;
            count = letters.Count + got.MessageCount;
        }

        return (letters, count);
    }

    /// <summary>Reads the order ids of all letters; their bodies are not kept.</summary>
    /// <returns>Null when there are more letters than <paramref name="countMax"/>, or more bytes in their bodies than
    /// <paramref name="bytesMax"/>.</returns>
    public async Task<IReadOnlySet<long>?> ReadOrderIdsAsync(int countMax, long bytesMax, CancellationToken cancellationToken)
    {
        var count = await _channel.MessageCountAsync(OrderTopology.DeadLetterQueue, cancellationToken);
        if (count > countMax)
        {
            return null;
        }

        var search = new OrderIdSearch(_channel, bytesMax);
        var ids = await search.RunAsync(count, cancellationToken);
        if (count > 0)
        {
            _held.Add(search.LastTag);
        }

        return ids;
    }

    /// <summary>Replaces a letter that the client cannot decode with one that it can.</summary>
    public async Task KeepAsync(UnreadableMessage message, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var nowText = now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        var properties = new BasicProperties
        {
            Persistent = true,
            Headers = new Dictionary<string, object?>
            {
                [DeadLetterHeaders.Reason] = message.Reason,
                [DeadLetterHeaders.Attempts] = 1L,
                [DeadLetterHeaders.FirstAt] = nowText,
                [DeadLetterHeaders.LastAt] = nowText,
                [DeadLetterHeaders.BodyBytes] = (long)Math.Min(message.BodyBytes, long.MaxValue),
            },
        };
        await _channel.BasicPublishAsync(
            OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, properties, message.BodyHead, cancellationToken);
    }

    /// <summary>
    /// Publishes letters to the order queue, all at once, and waits for the confirms; only then removes them from here. After a crash in
    /// between, both queues have them, and the worker turns both copies into one order: the order id is the same.
    /// </summary>
    /// <returns>The number of letters that the broker accepted; the others stay.</returns>
    public async Task<int> ReplayAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        var taken = await Task.WhenAll(letters.Select(letter => PublishAsync(letter, cancellationToken)));
        var gone = letters.Where((_, i) => taken[i]).ToList();
        CrashPoint.Reach(CrashPoint.Replayed);
        await RemoveAsync(gone, cancellationToken);
        return gone.Count;
    }

    /// <summary>Removes letters from the queue for good; they must be in the order in which they were scanned.</summary>
    public async Task RemoveAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        _held.ExceptWith(letters.Select(letter => letter.DeliveryTag));
        if (letters.Count > 0 && (_held.Count == 0 || _held.Min > letters[^1].DeliveryTag))
        {
            await _channel.BasicAckAsync(letters[^1].DeliveryTag, multiple: true, cancellationToken);
            await SettleAsync(cancellationToken);
            return;
        }

        foreach (var burst in letters.Chunk(AckBurstMax))
        {
            foreach (var letter in burst)
            {
                await _channel.BasicAckAsync(letter.DeliveryTag, multiple: false, cancellationToken);
            }

            await SettleAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(CloseTimeoutMs);
        try
        {
            if (_channel.IsOpen && _held.Count > 0)
            {
                // Closing returns them too, but later: the next call must not find the queue empty.
                await _channel.BasicNackAsync(_held.Max, multiple: true, requeue: true, deadline.Token);
                await _channel.CloseAsync(deadline.Token);
            }

            await _connection.CloseAsync(
                Constants.ReplySuccess, "done", TimeSpan.FromMilliseconds(CloseTimeoutMs), abort: true,
                deadline.Token).WaitAsync(deadline.Token);
            await _channel.DisposeAsync().AsTask().WaitAsync(deadline.Token);
            await _connection.DisposeAsync().AsTask().WaitAsync(deadline.Token);
        }
        catch (Exception exception) when (exception is RabbitMQClientException or OperationCanceledException)
        {
            // The connection is gone, so its letters are back in the queue.
        }
    }

    /// <summary>
    /// The next letter. A get whose response the client cannot decode ends the connection, and the call itself would wait forever.
    /// </summary>
    private async Task<BasicGetResult?> GetAsync(string queue, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _lost.Token);
        try
        {
            return await _channel.BasicGetAsync(queue, autoAck: false, cancellationToken).WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (_lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw _connection.CloseReason is { } reason
                ? new OperationInterruptedException(reason)
                : new OperationInterruptedException(_channel.CloseReason!);
        }
    }

    private async Task<bool> PublishAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        // Under the order's own trace, not the operator's request: the client takes its parent, and the header's trace, from the current
        // span.
        Activity.Current = null;
        using var span = Source.StartActivity("replay order", ActivityKind.Internal, letter.Trace);
        try
        {
            await _channel.BasicPublishAsync(
                OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, letter.ToReplay(), letter.Body, cancellationToken);
            return true;
        }
        catch (PublishException exception)
        {
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            return false;
        }
    }

    /// <summary>
    /// Waits until the queue has received the acks. The protocol does not confirm an ack, and beyond a few dozen the broker's channel holds
    /// acks back until the queue has processed earlier ones. If the channel closes meanwhile, they are lost and the letters return. A get
    /// is answered by the queue itself, after everything sent before it. A message that it returns is held like the rest.
    /// </summary>
    private async Task SettleAsync(CancellationToken cancellationToken)
    {
        if (await GetAsync(OrderTopology.DeadLetterQueue, cancellationToken) is { } got)
        {
            _held.Add(got.DeliveryTag);
        }
    }
}
