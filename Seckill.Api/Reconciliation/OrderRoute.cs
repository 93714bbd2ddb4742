using RabbitMQ.Client;
using Seckill.Ordering.Broker;
using Seckill.Ordering.Contract;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// Binds the order queue again before orders that seem lost are published again. If the binding was removed while another queue is bound to
/// the same key, no message is returned: the broker confirms all orders, and the worker never sees one.
/// </summary>
internal sealed partial class OrderRoute(IConnectionFactory connections, TimeProvider time, ILogger<OrderRoute> logger) : IDisposable
{
    /// <summary>Longest wait for the broker, ms: RabbitMQ 3 blocks bindings while one of its nodes is frozen.</summary>
    private const int BindTimeoutMs = 5_000;

    private const int CloseTimeoutMs = 500;

    /// <summary>Shortest pause between two attempts, ms: one serves the SKUs of a pass.</summary>
    private const int BindPauseMs = 10_000;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private long? _triedAt;

    /// <summary>
    /// Declares the route with its bindings; an existing one stays as it is. A failure is only logged: the account may lack the right, and
    /// the route is most probably in order.
    /// </summary>
    public async Task EnsureAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_triedAt is { } last && time.GetElapsedTime(last).TotalMilliseconds < BindPauseMs)
            {
                return;
            }

            _triedAt = time.GetTimestamp();
            var connection = await connections.OpenAsync(
                "seckill-api binding", TimeSpan.FromMilliseconds(BindTimeoutMs), DeclareAsync, time, cancellationToken);
            await connection.CloseWithinAsync(TimeSpan.FromMilliseconds(CloseTimeoutMs), time);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogNotBound(exception.Message);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private static async Task DeclareAsync(IConnection connection, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await OrderTopology.DeclareAsync(channel, cancellationToken);
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "The order queue was not bound again before lost orders are published again: {Reason}")]
    private partial void LogNotBound(string reason);
}
