using System.Threading.RateLimiting;

namespace Seckill.Api.Limits;

internal static class BoundedWaits
{
    /// <summary>
    /// Acquires a place, waiting for at most <paramref name="waitMsMax"/> ms; the lease is not acquired if no place became free.
    /// </summary>
    public static ValueTask<RateLimitLease> AcquireWithinAsync(
        this ConcurrencyLimiter limiter, int waitMsMax, CancellationToken cancellationToken)
    {
        var lease = limiter.AttemptAcquire();
        return lease.IsAcquired ? new(lease) : WaitAsync(limiter, waitMsMax, cancellationToken);
    }

    private static async ValueTask<RateLimitLease> WaitAsync(
        ConcurrencyLimiter limiter, int waitMsMax, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(waitMsMax);
        try
        {
            return await limiter.AcquireAsync(1, deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return NoPlace.Instance;
        }
    }
}

/// <summary>The lease of a request that got no place.</summary>
internal sealed class NoPlace : RateLimitLease
{
    public static readonly NoPlace Instance = new();

    public override bool IsAcquired => false;

    public override IEnumerable<string> MetadataNames => [];

    public override bool TryGetMetadata(string metadataName, out object? metadata)
    {
        metadata = null;
        return false;
    }
}
