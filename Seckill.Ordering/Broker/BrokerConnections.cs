using RabbitMQ.Client;

namespace Seckill.Ordering.Broker;

/// <summary>
/// Opens and closes connections within a deadline. On its own, the client waits forever for a broker that accepts a connection and then
/// stays silent, and for up to half a minute when it closes a connection to a frozen broker.
/// </summary>
public static class BrokerConnections
{
    /// <summary>
    /// Connects and sets up what is needed (channel, route, consumer), all within one deadline. A late connection is closed.
    /// </summary>
    /// <exception cref="TimeoutException">The broker has not answered everything in time.</exception>
    public static async Task<IConnection> OpenAsync(
        this IConnectionFactory factory, string name, TimeSpan timeout, Func<IConnection, CancellationToken, Task> setUpAsync,
        TimeProvider time, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var opening = ConnectAsync(factory, name, timeout, setUpAsync, time, linked.Token);
        try
        {
            return await opening.WaitAsync(linked.Token);
        }
        catch (OperationCanceledException exception) when (linked.IsCancellationRequested)
        {
            _ = CloseLateAsync(opening, timeout, time);
            cancellationToken.ThrowIfCancellationRequested();
            throw new TimeoutException($"RabbitMQ has not answered within {timeout.TotalMilliseconds:F0} ms", exception);
        }
    }

    /// <summary>Closes gracefully if the broker answers in time; otherwise abandons the connection.</summary>
    public static async Task CloseWithinAsync(this IConnection connection, TimeSpan timeout, TimeProvider time)
    {
        try
        {
            using var deadline = new CancellationTokenSource(timeout, time);
            await connection.CloseAsync(Constants.ReplySuccess, "done", timeout, abort: true, deadline.Token).WaitAsync(deadline.Token);
            await connection.DisposeAsync().AsTask().WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // Discarded without a close; the broker notices the missing heartbeat and redelivers unacked messages.
        }
    }

    private static async Task<IConnection> ConnectAsync(
        IConnectionFactory factory, string name, TimeSpan timeout, Func<IConnection, CancellationToken, Task> setUpAsync,
        TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await factory.CreateConnectionAsync(name, cancellationToken);
        try
        {
            await setUpAsync(connection, cancellationToken);
            return connection;
        }
        catch
        {
            await connection.CloseWithinAsync(timeout, time);
            throw;
        }
    }

    private static async Task CloseLateAsync(Task<IConnection> opening, TimeSpan timeout, TimeProvider time)
    {
        await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (opening.IsCompletedSuccessfully)
        {
            await (await opening).CloseWithinAsync(timeout, time);
        }
    }
}
