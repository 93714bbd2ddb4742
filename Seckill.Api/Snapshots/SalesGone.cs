using Seckill.Api.Catalogue;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Snapshots;

/// <summary>SKUs that Redis has data for but the catalogue does not list: the sale was deleted.</summary>
public sealed class SalesGone(StockRecovery recovery, SaleCatalogue catalogue)
{
    /// <summary>By id; none before the sales have been read.</summary>
    /// <exception cref="StackExchange.Redis.RedisException">Redis does not answer.</exception>
    public async Task<IReadOnlyList<long>> FindAsync(CancellationToken cancellationToken)
    {
        var gone = new List<long>();
        if (!catalogue.Loaded)
        {
            return gone;
        }

        var noted = await recovery.NotedSkuIdsAsync(cancellationToken);
        foreach (var skuId in noted.Where(skuId => catalogue.Find(skuId) is null).Order())
        {
            if (!await recovery.ForgetIfGoneAsync(new SkuKeys(skuId), cancellationToken))
            {
                gone.Add(skuId);
            }
        }

        return gone;
    }
}
