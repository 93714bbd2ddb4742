using RabbitMQ.Client;
using Seckill.Ordering.Broker;
using Seckill.Ordering.Contract;

namespace Seckill.OrderWorker.DeadLetters;

/// <summary>
/// A separate connection for dead letters: a broker that is short of memory or disk stops reading from publishing connections, and on the
/// consumer's connection that would block the acks as well.
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
            return LoseAsync($"the broker accepts no messages: {args.Reason}");
        };
        connection.ConnectionShutdownAsync += (_, args) => LoseAsync(args.ReplyText);
        channel.ChannelShutdownAsync += (_, args) => LoseAsync(args.ReplyText);
    }

    /// <summary>Has publisher confirms with tracking.</summary>
    public IChannel Channel { get; }

    /// <summary>Fires when the broker has closed the connection or blocks it.</summary>
    public CancellationToken Lost { get; }

    /// <summary>Whether the broker blocks publishing, which makes another try useless for now.</summary>
    public bool IsBlocked { get; private set; }

    /// <summary>Why the connection is unusable.</summary>
    public string? LostReason { get; private set; }

    /// <summary>Connects and declares the route, all within one deadline.</summary>
    /// <exception cref="TimeoutException">The broker did not answer everything in time.</exception>
    public static async Task<DeadLetterLink> OpenAsync(
        IConnectionFactory connections, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        DeadLetterLink? link = null;
        await connections.OpenAsync(
            "seckill-orderworker dead letters", timeout,
            async (connection, token) =>
            {
                var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), token);
                await OrderTopology.EnsureAsync(connection, token);
                link = new DeadLetterLink(connection, channel, time);
            }, time, cancellationToken);
        return link!;
    }

    /// <summary>A broker that does not answer the close must not delay orders.</summary>
    public async ValueTask DisposeAsync() => await _connection.CloseWithinAsync(TimeSpan.FromMilliseconds(CloseTimeoutMs), _time);

    private Task LoseAsync(string reason)
    {
        LostReason ??= reason;
        return _lost.CancelAsync();
    }
}
