using Seckill.Api.Catalogue;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Publishing;

/// <summary>SKUs that Redis holds something of and that the catalogue does not list: somebody has deleted the sale.</summary>
internal sealed partial class Orphans(
    StockRecovery recovery, SaleCatalogue catalogue, int lookEveryMs, TimeProvider time, ILogger logger)
{
    private long _lookedAt;

    /// <summary>As of the last look.</summary>
    public IReadOnlyCollection<long> SkuIds { get; private set; } = [];

    /// <summary>Looks, if the last look is long enough ago.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        if (!catalogue.Loaded || (_lookedAt > 0 && time.GetElapsedTime(_lookedAt).TotalMilliseconds < lookEveryMs))
        {
            return;
        }

        _lookedAt = time.GetTimestamp();
        var noted = await recovery.NotedSkuIdsAsync(cancellationToken);
        var orphans = new List<long>();
        foreach (var skuId in noted.Where(skuId => catalogue.Find(skuId) is null))
        {
            if (!await recovery.ForgetIfGoneAsync(new SkuKeys(skuId), cancellationToken))
            {
                orphans.Add(skuId);
            }
        }

        foreach (var skuId in orphans.Except(SkuIds))
        {
            LogOrphan(skuId);
        }

        SkuIds = orphans;
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis has a counter and MySQL no sale any more; orders in its outbox are still published")]
    private partial void LogOrphan(long skuId);
}
