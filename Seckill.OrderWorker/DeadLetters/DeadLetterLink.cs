using RabbitMQ.Client;

namespace Seckill.OrderWorker.DeadLetters;

/// <summary>
/// The connection that dead letters go out on, and nothing else: a broker that is short of memory or disk stops reading from connections
/// that publish, and on the consumer's the acks would be stuck as well.
/// </summary>
internal sealed class DeadLetterLink : IAsyncDisposable
{
    private const int CloseTimeoutMs = 500;

    private readonly IConnection _connection;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _lost = new();

    private DeadLetterLink(IConnection connection, IChannel channel, TimeProvider time)
    {
        (_connection, Channel, _time, Lost) = (connection, channel, time, _lost.Token);
        connection.ConnectionBlockedAsync += (_, args) =>
        {
            IsBlocked = true;
            return LoseAsync($"the broker takes no messages: {args.Reason}");
        };
        connection.ConnectionShutdownAsync += (_, args) => LoseAsync(args.ReplyText);
        channel.ChannelShutdownAsync += (_, args) => LoseAsync(args.ReplyText);
    }

    /// <summary>With tracked confirms.</summary>
    public IChannel Channel { get; }

    /// <summary>Fires when the broker has closed it, or takes no messages.</summary>
    public CancellationToken Lost { get; }

    /// <summary>Whether the broker takes no messages at all, so that another try would be in vain.</summary>
    public bool IsBlocked { get; private set; }

    /// <summary>Why it is of no use any more.</summary>
    public string? LostReason { get; private set; }

    public static async Task<DeadLetterLink> OpenAsync(
        IConnectionFactory connections, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await connections.CreateConnectionAsync("seckill-orderworker dead letters", cancellationToken);
        try
        {
            var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), cancellationToken);
            return new DeadLetterLink(connection, channel, time);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // A broker that does not read the close must not hold up orders.
        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(CloseTimeoutMs), _time);
        try
        {
            await _connection
                .CloseAsync(Constants.ReplySuccess, "done", TimeSpan.FromMilliseconds(CloseTimeoutMs), abort: true, deadline.Token)
                .WaitAsync(deadline.Token);
            await _connection.DisposeAsync().AsTask().WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // Discarded unclosed; nothing of it is of use to anybody.
        }
    }

    private Task LoseAsync(string reason)
    {
        LostReason ??= reason;
        return _lost.CancelAsync();
    }
}
