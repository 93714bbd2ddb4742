using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Gate;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>What the loader found for one SKU.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Loaded">True when its counter was set from MySQL, false when it was running and was left alone.</param>
/// <param name="Stock">The counter, units.</param>
/// <param name="Epoch">The counter's epoch.</param>
public sealed record LoadedSku(long SkuId, bool Loaded, long Stock, long Epoch);

/// <summary>
/// Brings stock and terms from MySQL into the gate: at start, when a sale is new or changed, when the gate reports that Redis does not know
/// a SKU, and every <c>CheckEveryMs</c> for all. A running counter is never loaded over.
/// </summary>
public sealed partial class StockLoader : BackgroundService
{
    private const int ColdSkusMax = 10_000;
    private const int RetryDelayMs = 1_000;

    private readonly ConcurrentDictionary<long, SaleTerms> _loadedTerms = new();
    private readonly Channel<long> _asked = Channel.CreateBounded<long>(
        new BoundedChannelOptions(ColdSkusMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });
    private readonly IServiceScopeFactory _scopes;
    private readonly StockLedger _ledger;
    private readonly SaleCatalogue _catalogue;
    private readonly CatalogueOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<StockLoader> _logger;

    public StockLoader(
        IServiceScopeFactory scopes, StockLedger ledger, SaleCatalogue catalogue, OrderGate gate,
        IOptions<CatalogueOptions> options, TimeProvider time, ILogger<StockLoader> logger)
    {
        (_scopes, _ledger, _catalogue, _options, _time, _logger) = (scopes, ledger, catalogue, options.Value, time, logger);
        gate.Cold += skuId => _asked.Writer.TryWrite(skuId);
        catalogue.Refreshed += AskForChangedSales;
    }

    /// <summary>Loads every sale whose counter is not running; answers for all of them.</summary>
    /// <exception cref="StackExchange.Redis.RedisException">Redis does not answer.</exception>
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
        var nextCheck = _time.GetUtcNow();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (_time.GetUtcNow() >= nextCheck)
                {
                    await LoadStaleAsync(stoppingToken);
                    nextCheck = _time.GetUtcNow().AddMilliseconds(_options.CheckEveryMs);
                }

                using var wait = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                wait.CancelAfter(_options.CheckEveryMs);
                await foreach (var skuId in _asked.Reader.ReadAllAsync(wait.Token))
                {
                    await LoadAsync(skuId, stoppingToken);
                }
            }
            catch (OperationCanceledException)
            {
                // Time for the check of all, or for stopping: the loop's head decides.
            }
            catch (Exception exception)
            {
                LogFailed(exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(RetryDelayMs), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
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

    /// <summary>Looks without a lock which counters are missing or of another epoch than MySQL's, and loads those.</summary>
    private async Task LoadStaleAsync(CancellationToken cancellationToken)
    {
        Dictionary<long, long> epochs;
        await using (var scope = _scopes.CreateAsyncScope())
        {
            var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
            epochs = await context.ProductSkus.Where(sku => sku.Sale != null).ToDictionaryAsync(sku => sku.Id, sku => sku.GateEpoch, cancellationToken);
        }

        foreach (var (skuId, epoch) in epochs)
        {
            if (await _ledger.EpochAsync(new SkuKeys(skuId), cancellationToken) != epoch)
            {
                await LoadAsync(skuId, cancellationToken);
            }
        }
    }

    /// <summary>
    /// Loads one SKU under its row lock: while the counter is being set, the worker cannot commit an order that the number read here does not
    /// count. Dying between Redis and the commit leaves two different epochs, which the next check sees and loads again.
    /// </summary>
    private async Task<LoadedSku?> LoadAsync(long skuId, CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        // The lock, the load and the epoch are one unit: a provider that retries must retry all of it.
        return await context.Database.CreateExecutionStrategy().ExecuteAsync(async token =>
        {
            await using var transaction = await context.Database.BeginTransactionAsync(System.Data.IsolationLevel.ReadCommitted, token);
            var row = (await context.ProductSkus.FromSql($"SELECT * FROM product_skus WHERE id = {skuId} FOR UPDATE").AsNoTracking().ToListAsync(token))
                .SingleOrDefault();
            var sale = await context.SeckillSales.AsNoTracking().SingleOrDefaultAsync(s => s.SkuId == skuId, token);
            if (row is null || sale is null)
            {
                return null;
            }

            var terms = SaleCatalogue.TermsOf(sale);
            var result = await _ledger.WarmAsync(new SkuKeys(skuId), row.Stock, row.GateEpoch, terms, token);
            if (result.Loaded)
            {
                await context.ProductSkus.Where(sku => sku.Id == skuId).ExecuteUpdateAsync(set => set.SetProperty(sku => sku.GateEpoch, result.Epoch), token);
                LogLoaded(skuId, result.Stock, result.Epoch);
            }

            await transaction.CommitAsync(token);
            _loadedTerms[skuId] = terms;
            return new LoadedSku(skuId, result.Loaded, result.Stock, result.Epoch);
        }, cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "SKU {SkuId}: {Stock} units loaded into the gate, epoch {Epoch}")]
    private partial void LogLoaded(long skuId, long stock, long epoch);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gate was not loaded: {Reason}; trying again")]
    private partial void LogFailed(string reason);
}
