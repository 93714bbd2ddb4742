using System.Threading.RateLimiting;
using Seckill.Api.Limits;

namespace Seckill.Api.Orders;

/// <summary>
/// Bounds buyers' reads from MySQL, so that a crowd of polling pages cannot overload the database. One limiter for all reads of the
/// instance, with a few places for each buyer, so that a buyer who queries without pause does not block the others.
/// </summary>
public sealed class MySqlReadLimiter : IAsyncDisposable
{
    private const int QueriesMax = 16;
    private const int WaitingMax = 1_000;
    private const int WaitMsMax = 2_000;

    /// <summary>Reads of one buyer in progress or waiting: enough for several open tabs.</summary>
    private const int EachBuyerMax = 4;

    private readonly ConcurrencyLimiter _limiter = new(new ConcurrencyLimiterOptions
    {
        PermitLimit = QueriesMax,
        QueueLimit = WaitingMax,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    private readonly BuyerCounts _buyers = new(EachBuyerMax);

    /// <summary>
    /// Waits in line for a bounded time. A lease that is not acquired means that the line is full or slow, or that the buyer has too many
    /// reads in it.
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

    /// <summary>Enters only when no other read waits.</summary>
    public RateLimitLease TryEnter() => _limiter.AttemptAcquire();

    public ValueTask DisposeAsync() => _limiter.DisposeAsync();

    /// <summary>Returns both the place in the line and the buyer's own.</summary>
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
