using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Waits for replies of Redis. When the client gives up a connection that has gone silent, calls in flight may fail with exceptions of its
/// streams and tasks instead of its own. Here they become a lost connection, so that callers know all failures of Redis by their types:
/// <see cref="RedisException"/> and <see cref="TimeoutException"/>.
/// </summary>
public static class RedisCalls
{
    /// <summary>The reply of a call; the token ends only the wait.</summary>
    /// <exception cref="RedisException">Redis refused the call, or the connection was lost.</exception>
    /// <exception cref="TimeoutException">Redis did not answer in time.</exception>
    public static async Task<T> ReplyAsync<T>(this Task<T> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call.WaitAsync(cancellationToken);
        }
        catch (Exception exception) when (IsOfLostConnection(exception, cancellationToken))
        {
            throw LostConnection(exception);
        }
    }

    /// <summary>The reply of a call, within a time limit shorter than the client's own.</summary>
    /// <exception cref="RedisException">Redis refused the call, or the connection was lost.</exception>
    /// <exception cref="TimeoutException">Redis did not answer in time.</exception>
    public static async Task<T> ReplyAsync<T>(this Task<T> call, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            return await call.WaitAsync(timeout, cancellationToken);
        }
        catch (Exception exception) when (IsOfLostConnection(exception, cancellationToken))
        {
            throw LostConnection(exception);
        }
    }

    /// <summary>The end of a call without a reply.</summary>
    /// <exception cref="RedisException">Redis refused the call, or the connection was lost.</exception>
    /// <exception cref="TimeoutException">Redis did not answer in time.</exception>
    public static async Task ReplyAsync(this Task call, CancellationToken cancellationToken)
    {
        try
        {
            await call.WaitAsync(cancellationToken);
        }
        catch (Exception exception) when (IsOfLostConnection(exception, cancellationToken))
        {
            throw LostConnection(exception);
        }
    }

    /// <summary>Whether the client failed a call with an exception that is not its own, and not because the caller gave up.</summary>
    internal static bool IsOfLostConnection(Exception exception, CancellationToken cancellationToken) =>
        exception is not (RedisException or TimeoutException) && !cancellationToken.IsCancellationRequested;

    internal static RedisConnectionException LostConnection(Exception exception) =>
        new(ConnectionFailureType.SocketClosed, $"The connection was lost: {exception.Message}", exception);
}
