using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Gate;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.WarmUp;

/// <summary>
/// Keeps every sale's counter loaded: at start, when a sale is new or changed, when the gate reports that Redis does not know a SKU, when Redis comes
/// back after a break, and every <c>CheckEveryMs</c>.
/// </summary>
public sealed partial class StockLoader : BackgroundService
{
    private const int ColdSkusMax = 10_000;
    private const int RetryDelayMs = 1_000;

    private readonly ConcurrentDictionary<long, SaleTerms> _loadedTerms = new();
    private readonly Channel<long> _asked = Channel.CreateBounded<long>(
        new BoundedChannelOptions(ColdSkusMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });
    private readonly SaleCatalogue _catalogue;
    private readonly StockLoad _load;
    private readonly CatalogueOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<StockLoader> _logger;

    public StockLoader(
        SaleCatalogue catalogue, StockLoad load, OrderGate gate, IConnectionMultiplexer redis,
        IOptions<CatalogueOptions> options, TimeProvider time, ILogger<StockLoader> logger)
    {
        (_catalogue, _load, _options, _time, _logger) = (catalogue, load, options.Value, time, logger);
        gate.Cold += skuId => _asked.Writer.TryWrite(skuId);
        catalogue.Refreshed += AskForChangedSales;
        // The server that answers now may have lost its last moments, or be another one.
        redis.ConnectionRestored += (_, _) => AskForAll();
    }

    /// <summary>Loads every sale whose counter is not running; answers for all of them.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<IReadOnlyList<LoadedSku>> LoadAllAsync(CancellationToken cancellationToken)
    {
        await _catalogue.RefreshAsync(cancellationToken);
        var loaded = new List<LoadedSku>();
        foreach (var skuId in _catalogue.SkuIds.Order())
        {
            if (await LoadAsync(skuId, cancellationToken) is { } sku)
            {
                loaded.Add(sku);
            }
        }

        return loaded;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var nextCheck = _time.GetTimestamp();
        var every = TimeSpan.FromMilliseconds(_options.CheckEveryMs);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                using var wait = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                wait.CancelAfter(every);
                var skuId = await _asked.Reader.ReadAsync(wait.Token);
                if (_catalogue.IsOnSale(skuId))
                {
                    await LoadAsync(skuId, stoppingToken);
                }

                if (_time.GetElapsedTime(nextCheck) >= every)
                {
                    AskForAll();
                    nextCheck = _time.GetTimestamp();
                }
            }
            catch (OperationCanceledException) when (!stoppingToken.IsCancellationRequested)
            {
                AskForAll();
                nextCheck = _time.GetTimestamp();
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(RetryDelayMs), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception)
            {
                return;
            }
        }
    }

    private async Task<LoadedSku?> LoadAsync(long skuId, CancellationToken cancellationToken)
    {
        var terms = _catalogue.Sales.FirstOrDefault(sale => sale.SkuId == skuId)?.Terms;
        var changed = terms is { } now && (!_loadedTerms.TryGetValue(skuId, out var before) || before != now);
        var loaded = await _load.RunAsync(skuId, changed, cancellationToken);
        if (terms is { } taken)
        {
            _loadedTerms[skuId] = taken;
        }

        return loaded;
    }

    private void AskForAll()
    {
        foreach (var skuId in _catalogue.SkuIds)
        {
            _asked.Writer.TryWrite(skuId);
        }
    }

    private void AskForChangedSales()
    {
        foreach (var sale in _catalogue.Sales)
        {
            if (!_loadedTerms.TryGetValue(sale.SkuId, out var terms) || terms != sale.Terms)
            {
                _asked.Writer.TryWrite(sale.SkuId);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gate was not loaded: {Reason}; trying again")]
    private partial void LogFailed(string reason);
}
