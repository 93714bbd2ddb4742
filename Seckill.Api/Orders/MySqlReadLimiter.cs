using System.Threading.RateLimiting;

namespace Seckill.Api.Orders;

/// <summary>
/// Bounds buyers' reads from MySQL: a hundred thousand pages asking at once cannot take the database down. One limiter for the instance,
/// whatever is asked.
/// </summary>
public sealed class MySqlReadLimiter : IAsyncDisposable
{
    private const int QueriesMax = 16;
    private const int WaitingMax = 1_000;

    private readonly ConcurrencyLimiter _limiter = new(new ConcurrencyLimiterOptions
    {
        PermitLimit = QueriesMax,
        QueueLimit = WaitingMax,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    /// <summary>Waits in line; a lease that is not acquired means that the line is full.</summary>
    public ValueTask<RateLimitLease> EnterAsync(CancellationToken cancellationToken) => _limiter.AcquireAsync(1, cancellationToken);

    /// <summary>Enters only when nobody waits.</summary>
    public RateLimitLease TryEnter() => _limiter.AttemptAcquire();

    public ValueTask DisposeAsync() => _limiter.DisposeAsync();
}
