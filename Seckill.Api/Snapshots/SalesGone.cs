using Seckill.Api.Catalogue;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Snapshots;

/// <summary>SKUs that Redis has data for but the catalogue does not list: the sale was deleted.</summary>
public sealed partial class SalesGone(StockRecovery recovery, SaleCatalogue catalogue, ILogger<SalesGone> logger)
{
    private volatile IReadOnlyList<long>? _last;

    /// <summary>
    /// By id; none before the sales have been read. What cannot be read hides nothing else: a SKU on a shard that is away stays listed, and
    /// if the list itself is away, it is the last one that was read.
    /// </summary>
    /// <exception cref="RedisException">The list is away and has never been read.</exception>
    /// <exception cref="TimeoutException">The same.</exception>
    public async Task<IReadOnlyList<long>> FindAsync(CancellationToken cancellationToken)
    {
        if (!catalogue.Loaded)
        {
            return [];
        }

        try
        {
            var noted = await recovery.NotedSkuIdsAsync(cancellationToken);
            // A list that has come back without its last entries does not end the work on the orders of these sales.
            long[] unlisted = [.. noted.Union(_last ?? []).Where(skuId => catalogue.Find(skuId) is null).Order()];
            // Together: a shard that is frozen costs one time-out, not one for each SKU.
            var forgotten = await Task.WhenAll(unlisted.Select(skuId => IsForgottenAsync(skuId, cancellationToken)));
            _last = [.. unlisted.Where((_, i) => !forgotten[i])];
            if (_last.Except(noted).ToList() is { Count: > 0 } unnoted)
            {
                await recovery.NoteAsync(unnoted, cancellationToken);
            }
        }
        catch (Exception exception) when (_last is not null && (exception is RedisException or TimeoutException))
        {
            LogNotRead(exception.Message);
        }

        return _last;
    }

    private async Task<bool> IsForgottenAsync(long skuId, CancellationToken cancellationToken)
    {
        try
        {
            return await recovery.ForgetIfGoneAsync(new SkuKeys(skuId), cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            LogNotKnown(skuId, exception.Message);
            return false;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "It is not known which deleted sales Redis has data of; those known before are used: {Reason}")]
    private partial void LogNotRead(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: it is not known whether Redis still has data of it: {Reason}")]
    private partial void LogNotKnown(long skuId, string reason);
}
