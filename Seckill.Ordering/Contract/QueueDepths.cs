using RabbitMQ.Client;
using Seckill.Ordering.Broker;

namespace Seckill.Ordering.Contract;

/// <summary>The depths of the queues. The broker's answer does not count unacknowledged messages.</summary>
/// <param name="Ready">Messages waiting for a worker; each holds one order or many.</param>
/// <param name="Workers">Consumers of the order queue.</param>
/// <param name="Dead">Dead letters.</param>
/// <param name="Parked">Orders that wait to be retried, one in each message.</param>
public sealed record QueueDepth(long Ready, long Workers, long Dead, long Parked);

/// <summary>Queries the broker for queue depths, on a separate connection that is reopened when it is lost.</summary>
public sealed class QueueDepths(IConnectionFactory connections, TimeProvider time) : IAsyncDisposable
{
    private const int TimeoutMs = 5_000;
    private const int CloseTimeoutMs = 500;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private IConnection? _connection;

    /// <exception cref="Exception">The broker does not answer within 5 s: any of the client's exceptions.</exception>
    public async Task<QueueDepth> ReadAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeoutMs);
        await _turn.WaitAsync(deadline.Token);
        try
        {
            _connection ??= await connections.OpenAsync(
                $"{connections.ClientProvidedName} queue depth", TimeSpan.FromMilliseconds(TimeoutMs), (_, _) => Task.CompletedTask, time,
                deadline.Token);
            var channel = await _connection.CreateChannelAsync(cancellationToken: deadline.Token);
            var orders = await channel.QueueDeclarePassiveAsync(OrderTopology.Queue, deadline.Token);
            var dead = await channel.QueueDeclarePassiveAsync(OrderTopology.DeadLetterQueue, deadline.Token);
            var parked = await channel.QueueDeclarePassiveAsync(OrderTopology.ParkedQueue, deadline.Token);
            await channel.CloseAsync(cancellationToken: deadline.Token);
            return new QueueDepth(orders.MessageCount, orders.ConsumerCount, dead.MessageCount, parked.MessageCount);
        }
        catch
        {
            // Lost, or silent: the next call uses a new one.
            await CloseAsync();
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _turn.Dispose();
    }

    private async Task CloseAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.CloseWithinAsync(TimeSpan.FromMilliseconds(CloseTimeoutMs), time);
        }
    }
}
