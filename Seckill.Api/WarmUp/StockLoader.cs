using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.Gate;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.WarmUp;

/// <summary>
/// Keeps every sale's counter loaded: at start, when a sale is new or changed, when the gate reports that Redis does not know a SKU, when
/// Redis reconnects, and in rounds, one step every <c>CheckEveryMs</c>.
/// </summary>
public sealed partial class StockLoader : BackgroundService
{
    private const int ColdSkusMax = 10_000;

    /// <summary>Means all SKUs in a request to load.</summary>
    private const long EverySku = 0;

    private const int RetryDelayMs = 1_000;

    /// <summary>Longest pause, ms: a SKU that keeps failing for its own reasons is retried less and less often.</summary>
    private const int RetryDelayMsMax = 30_000;

    /// <summary>How often a SKU that waits for the queue to drain is checked.</summary>
    private const int DrainLookEveryMs = 250;

    /// <summary>When a SKU that was not loaded is due again, and the wait before that. Other SKUs do not wait with it.</summary>
    private readonly Dictionary<long, (long At, int DelayMs)> _retries = [];

    private readonly Channel<long> _asked = Channel.CreateBounded<long>(
        new BoundedChannelOptions(ColdSkusMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });
    private readonly SaleCatalogue _catalogue;
    private readonly SaleCursor _cursor;
    private readonly StockWarmUp _warmUp;
    private readonly CatalogueOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<StockLoader> _logger;

    public StockLoader(
        SaleCatalogue catalogue, StockWarmUp warmUp, OrderGate gate, IConnectionMultiplexer redis, IOptions<CatalogueOptions> options,
        TimeProvider time, ILogger<StockLoader> logger)
    {
        (_catalogue, _warmUp, _options, _time, _logger) = (catalogue, warmUp, options.Value, time, logger);
        _cursor = new SaleCursor(() => catalogue.KeptSkuIds);
        gate.Cold += skuId => _asked.Writer.TryWrite(skuId);
        catalogue.Refreshed += AskForChangedSales;
        // The server that answers now may have lost its latest writes, or be another one.
        redis.ConnectionRestored += (_, _) => _asked.Writer.TryWrite(EverySku);
        redis.ConfigurationChanged += (_, _) => _asked.Writer.TryWrite(EverySku);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var every = TimeSpan.FromMilliseconds(_options.CheckEveryMs);
        var checkedAt = _time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                ForgetSalesThatAreGone();
                var asked = await AskedWithinAsync(UntilNext(every - _time.GetElapsedTime(checkedAt)), stoppingToken);
                if (asked.Contains(EverySku))
                {
                    _retries.Clear();
                    await TryLoadAsync(_catalogue.KeptSkuIds, stoppingToken);
                }
                else if (asked.Count > 0 || _retries.Count > 0)
                {
                    await TryLoadAsync(
                        [.. _catalogue.KeptSkuIds.Where(skuId => asked.Contains(skuId) || _retries.ContainsKey(skuId))], stoppingToken);
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
                // The requests were not handled, so every SKU is checked again.
                _asked.Writer.TryWrite(EverySku);
                await Task.Delay(TimeSpan.FromMilliseconds(RetryDelayMs), _time, stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception)
            {
                return;
            }
        }
    }

    /// <summary>The SKUs requested meanwhile; returns as soon as there is one.</summary>
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

    private TimeSpan UntilNext(TimeSpan untilCheck)
    {
        var now = _time.GetTimestamp();
        return _retries.Values.Select(retry => _time.GetElapsedTime(now, retry.At)).Append(untilCheck).Min();
    }

    /// <summary>Such sales are never loaded again, so they would stay due forever.</summary>
    private void ForgetSalesThatAreGone()
    {
        if (_retries.Count > 0)
        {
            foreach (var skuId in _retries.Keys.Except(_catalogue.KeptSkuIds).ToList())
            {
                _retries.Remove(skuId);
            }
        }
    }

    /// <summary>Loads the SKUs that are due, and records when the others are.</summary>
    private async Task TryLoadAsync(IReadOnlyList<long> skuIds, CancellationToken stoppingToken)
    {
        var now = _time.GetTimestamp();
        var due = skuIds.Where(skuId => !_retries.TryGetValue(skuId, out var retry) || retry.At <= now).ToList();
        if (due.Count == 0)
        {
            return;
        }

        var result = await _warmUp.LoadAsync(due, stoppingToken);
        var before = due.ToDictionary(skuId => skuId, skuId => _retries.Remove(skuId, out var retry) ? retry.DelayMs : 0);
        foreach (var skuId in result.Lost)
        {
            RetryAfter(skuId, DrainLookEveryMs);
        }

        foreach (var (skuId, exception) in result.Failed)
        {
            // An outage of a server must not delay the load after it is back.
            RetryAfter(skuId, IsOfServer(exception) ? RetryDelayMs : Math.Clamp(2 * before[skuId], RetryDelayMs, RetryDelayMsMax));
        }

        if (result.Failed.FirstOrDefault() is { Value: { } first } failed)
        {
            LogNotLoaded(result.Failed.Count, failed.Key, first.Message);
        }
    }

    private void RetryAfter(long skuId, int delayMs) =>
        _retries[skuId] = (_time.GetTimestamp() + (delayMs * _time.TimestampFrequency / 1_000), delayMs);

    private static bool IsOfServer(Exception exception) =>
        ServerFailures.IsOf(exception) && exception is not (SkuLockedException or OrdersMissingException)
        && !RedisRefusals.IsAboutStoredData(exception);

    private void AskForChangedSales()
    {
        foreach (var skuId in _catalogue.KeptSkuIds.Where(_warmUp.HasOtherTerms))
        {
            _asked.Writer.TryWrite(skuId);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} SKUs, including {SkuId}, were not loaded: {Reason}; trying again")]
    private partial void LogNotLoaded(int count, long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gate was not loaded: {Reason}; trying again")]
    private partial void LogFailed(string reason);
}
