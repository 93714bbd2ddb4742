using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Seckill.Api.Catalogue;
using Seckill.Api.Gate;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.WarmUp;

/// <summary>
/// Loads the counters of many sales at once, where needed. Remembers the terms with which this instance has loaded each one.
/// </summary>
public sealed partial class StockWarmUp(
    SaleCatalogue catalogue, SkuSnapshotReader snapshots, StockRecovery recovery, GateLanes lanes, StockLoad load, QueueDrain drain,
    TimeProvider time, ILogger<StockWarmUp> logger)
{
    /// <summary>Concurrent loads, each with a MySQL connection.</summary>
    private const int LoadsAtOnceMax = 8;

    private readonly ConcurrentDictionary<long, SaleTerms> _loadedTerms = new();

    /// <summary>When each SKU was first found lost in Redis, by <see cref="TimeProvider.GetTimestamp"/>.</summary>
    private readonly ConcurrentDictionary<long, long> _lostAt = new();

    /// <summary>Loads every sale whose counter is not running; returns all SKUs that Redis keeps.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<IReadOnlyList<LoadedSku>> LoadAllAsync(CancellationToken cancellationToken)
    {
        await catalogue.RefreshAsync(cancellationToken);
        var result = await LoadAsync(catalogue.KeptSkuIds, cancellationToken);
        if (!result.Lost.IsEmpty)
        {
            await drain.WaitAsync(result.Lost.Max(skuId => _lostAt.GetValueOrDefault(skuId)), cancellationToken);
            var again = await LoadAsync([.. result.Lost], cancellationToken);
            result = new LoadResult([.. result.Loaded, .. again.Loaded], new(result.Failed.Concat(again.Failed)), []);
        }

        if (!result.Failed.IsEmpty)
        {
            ExceptionDispatchInfo.Throw(result.Failed.First().Value);
        }

        return [.. result.Loaded.OrderBy(sku => sku.SkuId)];
    }

    /// <summary>Whether the sale's terms differ from those it was loaded with, or this instance has not loaded it.</summary>
    public bool HasOtherTerms(long skuId) =>
        !_loadedTerms.TryGetValue(skuId, out var terms) || terms != catalogue.Find(skuId)?.Terms;

    /// <summary>Loads a counter again, whatever its value: the repair for a difference.</summary>
    /// <returns>False when Redis has lost the SKU and the wait for its orders in the queue is not over; the loader loads it then.</returns>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<bool> ReloadAsync(long skuId, CancellationToken cancellationToken)
    {
        var found = await snapshots.ReadAsync([skuId], cancellationToken);
        // Only now: what was in the queue before the loss must have passed.
        var seenAt = time.GetTimestamp();
        if (found.Any(snapshot => IsWaiting(snapshot, seenAt)))
        {
            return false;
        }

        var drained = found.Any(snapshot => snapshot.Redis is { Epoch: null });
        if (await load.ReloadAsync(skuId, drained, cancellationToken) is null)
        {
            return false;
        }

        _lostAt.TryRemove(skuId, out _);
        return true;
    }

    /// <summary>
    /// Takes a snapshot of all SKUs and loads those that need it, several at once. A SKU that fails, or waits for the queue, does not hold
    /// up the others.
    /// </summary>
    public async Task<LoadResult> LoadAsync(IReadOnlyList<long> skuIds, CancellationToken cancellationToken)
    {
        var result = new LoadResult([], [], []);
        foreach (var step in skuIds.Chunk(SaleCursor.StepMax))
        {
            var found = await snapshots.ReadAsync(step, cancellationToken);
            var seenAt = time.GetTimestamp();
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = LoadsAtOnceMax, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(found, parallel, async (snapshot, token) =>
            {
                try
                {
                    if (IsWaiting(snapshot, seenAt))
                    {
                        result.Lost.Add(snapshot.SkuId);
                    }
                    else if (await LoadAsync(snapshot, token) is { } sku)
                    {
                        _lostAt.TryRemove(snapshot.SkuId, out _);
                        result.Loaded.Add(sku);
                    }
                    else if (catalogue.Find(snapshot.SkuId) is not null)
                    {
                        // Lost since the snapshot.
                        _lostAt.GetOrAdd(snapshot.SkuId, _ => time.GetTimestamp());
                        result.Lost.Add(snapshot.SkuId);
                    }
                }
                catch (Exception exception) when (!token.IsCancellationRequested)
                {
                    result.Failed[snapshot.SkuId] = exception;
                }
            });
            await NoteAsync([.. result.Loaded.Select(sku => sku.SkuId)], cancellationToken);
        }

        return result;
    }

    /// <summary>Repeated with each pass, so that a lost note is restored.</summary>
    private async Task NoteAsync(IReadOnlyCollection<long> skuIds, CancellationToken cancellationToken)
    {
        try
        {
            if (skuIds.Count > 0)
            {
                await recovery.NoteAsync(skuIds, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            // Its shard may be down or out of memory; the counters are loaded anyway.
            LogNotNoted(skuIds.Count, exception.Message);
        }
    }

    /// <summary>Whether Redis has lost the SKU and the wait for its orders in the queue is not over.</summary>
    private bool IsWaiting(SkuSnapshot snapshot, long seenAt)
    {
        if (snapshot.Redis is { Epoch: null } && snapshot.MySqlLoad.Epoch > 0)
        {
            return !drain.IsOver(_lostAt.GetOrAdd(snapshot.SkuId, seenAt));
        }

        if (snapshot.Redis is not null)
        {
            _lostAt.TryRemove(snapshot.SkuId, out _);
        }

        return false;
    }

    private async Task<LoadedSku?> LoadAsync(SkuSnapshot snapshot, CancellationToken cancellationToken)
    {
        var terms = catalogue.Find(snapshot.SkuId)?.Terms;
        var first = !_loadedTerms.TryGetValue(snapshot.SkuId, out var before);
        var changed = snapshot.HasOtherTerms || (terms is { } now && (first || before != now));
        // If Redis does not say which server it is, an instance that has sold nothing yet has nothing to compare its data with.
        var suspect = first && snapshot.Redis is { SameServer: null };
        var whole = await HasAllAsync(snapshot, cancellationToken);
        var loaded = snapshot is { IsLoaded: true, Redis.Stock: { } stock } && whole && !changed && !suspect
            ? new LoadedSku(snapshot.SkuId, false, stock, snapshot.MySqlLoad.Epoch)
            : await load.RunAsync(snapshot.SkuId, changed, drained: snapshot.Redis is { Epoch: null }, cancellationToken, suspect);
        if (loaded is not null && terms is { } taken)
        {
            _loadedTerms[snapshot.SkuId] = taken;
        }

        return loaded;
    }

    /// <summary>
    /// Whether Redis still has the newest order that it has accepted through this instance. If not, it is a copy from before that order,
    /// and the gate is closed until it is loaded.
    /// </summary>
    private async Task<bool> HasAllAsync(SkuSnapshot snapshot, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(snapshot.SkuId);
        if (lanes.NewestOf(snapshot.SkuId) is not { } newest || newest.Epoch != snapshot.Redis?.Epoch
            || await recovery.KnowsAsync(sku, newest.OrderId, cancellationToken))
        {
            return true;
        }

        LogStale(snapshot.SkuId, newest.OrderId);
        await recovery.CloseAsync(sku, cancellationToken, newest.Epoch);
        return false;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis did not record that it has data for {Count} SKUs: {Reason}; trying again")]
    private partial void LogNotNoted(int count, string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message =
            "SKU {SkuId}: Redis does not know order {OrderId}, which it has accepted, any more; the gate is closed until it is loaded")]
    private partial void LogStale(long skuId, long orderId);
}

/// <summary>The result of a pass over many SKUs.</summary>
/// <param name="Loaded">Running now, loaded by this pass or before it.</param>
/// <param name="Failed">Not loaded, and why.</param>
/// <param name="Lost">Not loaded yet: the orders in the queue are written first.</param>
public sealed record LoadResult(ConcurrentBag<LoadedSku> Loaded, ConcurrentDictionary<long, Exception> Failed, ConcurrentBag<long> Lost);
