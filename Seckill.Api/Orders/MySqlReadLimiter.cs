using System.Threading.RateLimiting;
using Seckill.Api.Limits;

namespace Seckill.Api.Orders;

/// <summary>
/// Bounds buyers' reads from MySQL: a hundred thousand pages asking at once cannot take the database down. One limiter for the instance,
/// whatever is asked, and a few places in it for each buyer, so that some who ask without end do not stand in everybody's way.
/// </summary>
public sealed class MySqlReadLimiter : IAsyncDisposable
{
    private const int QueriesMax = 16;
    private const int WaitingMax = 1_000;
    private const int WaitMsMax = 2_000;

    /// <summary>Reading or waiting at once: some tabs that each ask for something.</summary>
    private const int EachBuyerMax = 4;

    private readonly ConcurrencyLimiter _limiter = new(new ConcurrencyLimiterOptions
    {
        PermitLimit = QueriesMax,
        QueueLimit = WaitingMax,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    private readonly BuyerCounts _buyers = new(EachBuyerMax);

    /// <summary>
    /// Waits in line, in bounded time; a lease that is not acquired means that the line is full or slow, or that the buyer stands in it too
    /// often.
    /// </summary>
    public async ValueTask<RateLimitLease> EnterAsync(long userId, CancellationToken cancellationToken)
    {
        if (_buyers.TryEnter(userId) is not { } own)
        {
            return NoPlace.Instance;
        }

        var entered = false;
        try
        {
            var lease = await _limiter.AcquireWithinAsync(WaitMsMax, cancellationToken);
            entered = lease.IsAcquired;
            return entered ? new BuyersLease(lease, own) : lease;
        }
        finally
        {
            if (!entered)
            {
                own.Dispose();
            }
        }
    }

    /// <summary>Enters only when nobody waits.</summary>
    public RateLimitLease TryEnter() => _limiter.AttemptAcquire();

    public ValueTask DisposeAsync() => _limiter.DisposeAsync();

    /// <summary>Gives back the place in the line and the buyer's own.</summary>
    private sealed class BuyersLease(RateLimitLease lease, BuyerSlot own) : RateLimitLease
    {
        private int _left;

        public override bool IsAcquired => true;

        public override IEnumerable<string> MetadataNames => lease.MetadataNames;

        public override bool TryGetMetadata(string metadataName, out object? metadata) => lease.TryGetMetadata(metadataName, out metadata);

        protected override void Dispose(bool disposing)
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
            {
                lease.Dispose();
                own.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
