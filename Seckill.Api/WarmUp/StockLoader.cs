using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Gate;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.WarmUp;

/// <summary>
/// Keeps every sale's counter loaded: at start, when a sale is new or changed, when the gate reports that Redis does not know a SKU, when Redis comes
/// back after a break, and in rounds, a step every <c>CheckEveryMs</c>.
/// </summary>
public sealed partial class StockLoader : BackgroundService
{
    private const int ColdSkusMax = 10_000;

    /// <summary>Loads under way at once, each with a MySQL connection.</summary>
    private const int LoadsAtOnceMax = 8;

    /// <summary>Stands for all of them where a SKU is asked for.</summary>
    private const long EverySku = 0;

    private const int RetryDelayMs = 1_000;

    private readonly ConcurrentDictionary<long, SaleTerms> _loadedTerms = new();
    private readonly Channel<long> _asked = Channel.CreateBounded<long>(
        new BoundedChannelOptions(ColdSkusMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });
    private readonly SaleCatalogue _catalogue;
    private readonly SkuSnapshotReader _snapshots;
    private readonly SaleCursor _cursor;
    private readonly StockLoad _load;
    private readonly CatalogueOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<StockLoader> _logger;

    public StockLoader(
        SaleCatalogue catalogue, SkuSnapshotReader snapshots, StockLoad load, OrderGate gate, IConnectionMultiplexer redis,
        IOptions<CatalogueOptions> options, TimeProvider time, ILogger<StockLoader> logger)
    {
        (_catalogue, _snapshots, _load, _options, _time, _logger) = (catalogue, snapshots, load, options.Value, time, logger);
        _cursor = new SaleCursor(() => catalogue.KeptSkuIds);
        gate.Cold += skuId => _asked.Writer.TryWrite(skuId);
        catalogue.Refreshed += AskForChangedSales;
        // The server that answers now may have lost its last moments, or be another one.
        redis.ConnectionRestored += (_, _) => _asked.Writer.TryWrite(EverySku);
    }

    /// <summary>Loads every sale whose counter is not running; answers for all that Redis keeps.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<IReadOnlyList<LoadedSku>> LoadAllAsync(CancellationToken cancellationToken)
    {
        await _catalogue.RefreshAsync(cancellationToken);
        var (loaded, failed) = await LoadAsync(_catalogue.KeptSkuIds, cancellationToken);
        if (!failed.IsEmpty)
        {
            ExceptionDispatchInfo.Throw(failed.First().Value);
        }

        return [.. loaded.OrderBy(sku => sku.SkuId)];
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var every = TimeSpan.FromMilliseconds(_options.CheckEveryMs);
        var checkedAt = _time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var asked = await AskedWithinAsync(every - _time.GetElapsedTime(checkedAt), stoppingToken);
                if (asked.Contains(EverySku))
                {
                    await TryLoadAsync(_catalogue.KeptSkuIds, stoppingToken);
                }
                else if (asked.Count > 0)
                {
                    await TryLoadAsync([.. _catalogue.KeptSkuIds.Where(asked.Contains)], stoppingToken);
                }

                if (_time.GetElapsedTime(checkedAt) >= every)
                {
                    checkedAt = _time.GetTimestamp();
                    await TryLoadAsync(_cursor.Next(), stoppingToken);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(exception.Message);
                // Whoever asked has not been served.
                _asked.Writer.TryWrite(EverySku);
                await Task.Delay(TimeSpan.FromMilliseconds(RetryDelayMs), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception)
            {
                return;
            }
        }
    }

    /// <summary>What is asked for meanwhile; returns as soon as there is something.</summary>
    private async Task<HashSet<long>> AskedWithinAsync(TimeSpan wait, CancellationToken stoppingToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        enough.CancelAfter(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
        await ((Task)_asked.Reader.WaitToReadAsync(enough.Token).AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var asked = new HashSet<long>();
        while (_asked.Reader.TryRead(out var skuId))
        {
            asked.Add(skuId);
        }

        return asked;
    }

    /// <summary>A snapshot of all of them, and a load for those that need one, several at once. One that fails keeps back no other.</summary>
    private async Task<(ConcurrentBag<LoadedSku> Loaded, ConcurrentDictionary<long, Exception> Failed)> LoadAsync(
        IReadOnlyList<long> skuIds, CancellationToken cancellationToken)
    {
        var (loaded, failed) = (new ConcurrentBag<LoadedSku>(), new ConcurrentDictionary<long, Exception>());
        foreach (var step in skuIds.Chunk(SaleCursor.StepMax))
        {
            var snapshots = await _snapshots.ReadAsync(step, cancellationToken);
            await Parallel.ForEachAsync(
                snapshots, new ParallelOptions { MaxDegreeOfParallelism = LoadsAtOnceMax, CancellationToken = cancellationToken }, async (snapshot, token) =>
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

    /// <summary>Loads, and asks again for what failed; what Redis holds and cannot read is left to the next round.</summary>
    private async Task TryLoadAsync(IReadOnlyList<long> skuIds, CancellationToken stoppingToken)
    {
        var (_, failed) = await LoadAsync(skuIds, stoppingToken);
        if (failed.IsEmpty)
        {
            return;
        }

        LogNotLoaded(failed.Count, failed.First().Key, failed.First().Value.Message);
        foreach (var (skuId, exception) in failed)
        {
            if (exception is not RedisServerException)
            {
                _asked.Writer.TryWrite(skuId);
            }
        }

        await Task.Delay(TimeSpan.FromMilliseconds(RetryDelayMs), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task<LoadedSku?> LoadAsync(SkuSnapshot snapshot, CancellationToken cancellationToken)
    {
        var terms = _catalogue.Find(snapshot.SkuId)?.Terms;
        var changed = terms is { } now && (!_loadedTerms.TryGetValue(snapshot.SkuId, out var before) || before != now);
        var loaded = snapshot is { IsLoaded: true, Redis.Stock: { } stock } && !changed
            ? new LoadedSku(snapshot.SkuId, false, stock, snapshot.MySqlEpoch)
            : await _load.RunAsync(snapshot.SkuId, changed, cancellationToken);
        if (terms is { } taken)
        {
            _loadedTerms[snapshot.SkuId] = taken;
        }

        return loaded;
    }

    private void AskForChangedSales()
    {
        foreach (var skuId in _catalogue.KeptSkuIds)
        {
            if (!_loadedTerms.TryGetValue(skuId, out var terms) || terms != _catalogue.Find(skuId)?.Terms)
            {
                _asked.Writer.TryWrite(skuId);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} SKUs, {SkuId} among them, were not loaded: {Reason}; trying again")]
    private partial void LogNotLoaded(int count, long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gate was not loaded: {Reason}; trying again")]
    private partial void LogFailed(string reason);
}
