using Microsoft.Extensions.Diagnostics.HealthChecks;
using RabbitMQ.Client;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>
/// Opens a channel on a connection of its own, and a new connection when the old one is gone. The check that comes with Aspire's client
/// resolves a singleton connection, which blocks a pool thread while it retries and is never replaced; this one is asynchronous and judges
/// the broker, not somebody's connection.
/// </summary>
internal sealed class RabbitMQHealthCheck(IConnectionFactory factory) : IHealthCheck, IAsyncDisposable
{
    public const string Name = "RabbitMQ.Client";

    private const int CloseTimeoutMs = 500;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private IConnection? _connection;
    private volatile bool _disposed;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_connection is not { IsOpen: true })
            {
                await CloseAsync();
                _connection = await factory.CreateConnectionAsync($"{factory.ClientProvidedName} health", cancellationToken);
                if (_disposed)
                {
                    await CloseAsync();
                    ObjectDisposedException.ThrowIf(_disposed, this);
                }
            }

            await using var channel = await _connection.CreateChannelAsync(cancellationToken: cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception: exception);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        // A check that was abandoned may still have its turn. The semaphore is not disposed, because that check will release it.
        _disposed = true;
        if (await _turn.WaitAsync(CloseTimeoutMs))
        {
            await CloseAsync();
            _turn.Release();
        }
    }

    private async ValueTask CloseAsync()
    {
        if (_connection is null)
        {
            return;
        }

        var connection = _connection;
        _connection = null;
        // The client's own bound is longer than a stop may take.
        using var deadline = new CancellationTokenSource(CloseTimeoutMs);
        try
        {
            await connection.CloseAsync(
                Constants.ReplySuccess, "done", TimeSpan.FromMilliseconds(CloseTimeoutMs), abort: true, deadline.Token)
                .WaitAsync(deadline.Token);
            await connection.DisposeAsync().AsTask().WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // Abandoned. The client goes on closing it, and the broker would notice the missing heartbeat.
        }
    }
}
