using System.Threading.RateLimiting;

namespace Seckill.OrderWorker.Consuming;

/// <summary>Limits the worker to a number of orders a second, evenly: a token bucket that holds a tenth of a second's worth.</summary>
internal sealed class RateCeiling : IAsyncDisposable
{
    private readonly TokenBucketRateLimiter? _limiter;

    /// <param name="ordersPerSecondMax">0 for no ceiling.</param>
    public RateCeiling(int ordersPerSecondMax)
    {
        if (ordersPerSecondMax == 0)
        {
            return;
        }

        BurstMax = Math.Max(1, ordersPerSecondMax / 10);
        _limiter = new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
        {
            TokenLimit = BurstMax,
            TokensPerPeriod = BurstMax,
            ReplenishmentPeriod = TimeSpan.FromSeconds((double)BurstMax / ordersPerSecondMax),
            QueueLimit = BurstMax,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
            AutoReplenishment = true,
        });
    }

    /// <summary>Orders that may pass at once; a batch need not be larger.</summary>
    public int BurstMax { get; } = int.MaxValue;

    /// <summary>Waits until that many orders may pass; false when <paramref name="quit"/> ended the wait.</summary>
    public async Task<bool> WaitAsync(int orderCount, CancellationToken quit)
    {
        if (_limiter is null)
        {
            return true;
        }

        try
        {
            for (var left = orderCount; left > 0; left -= BurstMax)
            {
                using var lease = await _limiter.AcquireAsync(Math.Min(left, BurstMax), quit);
                if (!lease.IsAcquired)
                {
                    throw new InvalidOperationException("The only caller found the rate limiter's queue full.");
                }
            }

            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    public ValueTask DisposeAsync() => _limiter?.DisposeAsync() ?? ValueTask.CompletedTask;
}
