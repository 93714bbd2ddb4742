using Seckill.Api.Snapshots;

namespace Seckill.Api.Publishing;

/// <summary>SKUs whose sale was deleted and whose outbox is still swept; refreshed periodically.</summary>
internal sealed partial class Orphans(SalesGone gone, int lookEveryMs, TimeProvider time, ILogger logger)
{
    private long _lookedAt;

    /// <summary>As of the last refresh.</summary>
    public IReadOnlyCollection<long> SkuIds { get; private set; } = [];

    /// <summary>Refreshes the list if the last refresh was long enough ago.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        if (_lookedAt > 0 && time.GetElapsedTime(_lookedAt).TotalMilliseconds < lookEveryMs)
        {
            return;
        }

        _lookedAt = time.GetTimestamp();
        var orphans = await gone.FindAsync(cancellationToken);
        foreach (var skuId in orphans.Except(SkuIds))
        {
            LogOrphan(skuId);
        }

        SkuIds = orphans;
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis has a counter, but MySQL no longer has a sale; orders in its outbox are still published")]
    private partial void LogOrphan(long skuId);
}
