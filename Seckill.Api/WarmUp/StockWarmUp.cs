using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Seckill.Api.Catalogue;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.WarmUp;

/// <summary>Loads the counters of many sales at once, where needed. Knows the terms that this instance has loaded each with.</summary>
public sealed class StockWarmUp(SaleCatalogue catalogue, SkuSnapshotReader snapshots, StockLoad load)
{
    /// <summary>Loads under way at once, each with a MySQL connection.</summary>
    private const int LoadsAtOnceMax = 8;

    private readonly ConcurrentDictionary<long, SaleTerms> _loadedTerms = new();

    /// <summary>Loads every sale whose counter is not running; answers for all that Redis keeps.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<IReadOnlyList<LoadedSku>> LoadAllAsync(CancellationToken cancellationToken)
    {
        await catalogue.RefreshAsync(cancellationToken);
        var (loaded, failed) = await LoadAsync(catalogue.KeptSkuIds, cancellationToken);
        if (!failed.IsEmpty)
        {
            ExceptionDispatchInfo.Throw(failed.First().Value);
        }

        return [.. loaded.OrderBy(sku => sku.SkuId)];
    }

    /// <summary>Whether the sale has other terms now than it was loaded with, or was not loaded by this instance.</summary>
    public bool HasOtherTerms(long skuId) => !_loadedTerms.TryGetValue(skuId, out var terms) || terms != catalogue.Find(skuId)?.Terms;

    /// <summary>Takes a snapshot of all and loads those that need it, several at once. One that fails keeps back no other.</summary>
    public async Task<(ConcurrentBag<LoadedSku> Loaded, ConcurrentDictionary<long, Exception> Failed)> LoadAsync(
        IReadOnlyList<long> skuIds, CancellationToken cancellationToken)
    {
        var (loaded, failed) = (new ConcurrentBag<LoadedSku>(), new ConcurrentDictionary<long, Exception>());
        foreach (var step in skuIds.Chunk(SaleCursor.StepMax))
        {
            var found = await snapshots.ReadAsync(step, cancellationToken);
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = LoadsAtOnceMax, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(found, parallel, async (snapshot, token) =>
            {
                try
                {
                    if (await LoadAsync(snapshot, token) is { } sku)
                    {
                        loaded.Add(sku);
                    }
                }
                catch (Exception exception) when (!token.IsCancellationRequested)
                {
                    failed[snapshot.SkuId] = exception;
                }
            });
        }

        return (loaded, failed);
    }

    private async Task<LoadedSku?> LoadAsync(SkuSnapshot snapshot, CancellationToken cancellationToken)
    {
        var terms = catalogue.Find(snapshot.SkuId)?.Terms;
        var changed = terms is { } now && (!_loadedTerms.TryGetValue(snapshot.SkuId, out var before) || before != now);
        var loaded = snapshot is { IsLoaded: true, Redis.Stock: { } stock } && !changed
            ? new LoadedSku(snapshot.SkuId, false, stock, snapshot.MySqlEpoch)
            : await load.RunAsync(snapshot.SkuId, changed, cancellationToken);
        if (terms is { } taken)
        {
            _loadedTerms[snapshot.SkuId] = taken;
        }

        return loaded;
    }
}
