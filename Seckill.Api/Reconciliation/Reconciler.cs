using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Telemetry;
using StackExchange.Redis;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// Goes round all sales in the instance that holds the lease, a step every <c>EveryMs</c>: where a snapshot does not show that all is well it compares
/// exactly, heals what is stuck, and reports the difference as a metric. It never touches a counter: that is an operator's decision.
/// </summary>
internal sealed partial class Reconciler : BackgroundService
{
    private const string LeaseKey = "seckill:reconciler";

    /// <summary>
    /// SKUs compared under their row lock in one pass; the next goes on from there. When all were each time, loader, sweeper and reconciler took 45 % of a
    /// two-core machine with 1,000 SKUs on sale and nobody buying.
    /// </summary>
    private const int ExactPerPassMax = 100;

    private readonly ConcurrentDictionary<long, long> _differences = new();
    private readonly Lease _lease;
    private readonly ReconciliationReader _reader;
    private readonly SkuSnapshotReader _snapshots;
    private readonly StuckOrders _stuck;
    private readonly SaleCursor _cursor;
    private readonly ReconciliationOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<Reconciler> _logger;

    public Reconciler(
        ReconciliationReader reader, SkuSnapshotReader snapshots, StuckOrders stuck, SaleCatalogue catalogue, IConnectionMultiplexer redis,
        IOptions<ReconciliationOptions> options, TimeProvider time, ILogger<Reconciler> logger)
    {
        (_reader, _snapshots, _stuck, _options, _time, _logger) = (reader, snapshots, stuck, options.Value, time, logger);
        _cursor = new SaleCursor(() => catalogue.KeptSkuIds);
        _lease = new Lease(redis, LeaseKey, _options.LeaseMs);
        OrderingTelemetry.Meter.CreateObservableGauge(
            "seckill.reconciliation.difference",
            () => _differences.Select(sku => new Measurement<long>(sku.Value, new KeyValuePair<string, object?>("sku_id", sku.Key))),
            "{unit}",
            "Redis stock + held - committed but unsettled - MySQL stock, for each SKU; 0 when healthy.");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(_options.EveryMs), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (!stoppingToken.IsCancellationRequested && await _lease.HoldAsync(stoppingToken))
                {
                    await PassAsync(stoppingToken);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(exception.Message);
            }
            catch (Exception exception)
            {
                LogCutOff(exception.Message);
            }
        }

        try
        {
            await _lease.ReleaseAsync();
        }
        catch (Exception exception)
        {
            LogLeaseKept(exception.Message);
        }
    }

    private async Task PassAsync(CancellationToken cancellationToken)
    {
        var exact = 0;
        foreach (var snapshot in await _snapshots.ReadAsync(_cursor.Next(), cancellationToken))
        {
            if (snapshot.IsQuiet)
            {
                _differences[snapshot.SkuId] = 0;
                continue;
            }

            try
            {
                await CompareAsync(snapshot.SkuId, cancellationToken);
            }
            catch (RedisServerException exception)
            {
                // What is stored for this SKU; the others are compared all the same.
                LogUnreadable(snapshot.SkuId, exception.Message);
            }

            if (++exact == ExactPerPassMax)
            {
                _cursor.ContinueBehind(snapshot.SkuId);
                return;
            }
        }
    }

    private async Task CompareAsync(long skuId, CancellationToken cancellationToken)
    {
        if (await _reader.ReadAsync(skuId, cancellationToken) is not { } found)
        {
            return;
        }

        if (found.Unreadable is { } reason)
        {
            LogUnreadable(skuId, reason);
            _differences.TryRemove(skuId, out _);
        }

        if (found.Difference is { } difference)
        {
            _differences[skuId] = difference;
            if (difference != 0)
            {
                LogDifference(skuId, difference);
            }
        }

        var plan = await _stuck.PlanAsync(found, cancellationToken);
        if (plan.Settle.Count > 0 || plan.Republish.Count > 0)
        {
            LogHealing(skuId, plan.Settle.Count, plan.Republish.Count);
            await _stuck.HealAsync(plan, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: Redis and MySQL differ by {Difference} units; see GET /api/ops/reconciliation")]
    private partial void LogDifference(long skuId, long difference);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: {Settled} orders are settled from MySQL, {Republished} are published again")]
    private partial void LogHealing(long skuId, int settled, int republished);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: Redis and MySQL were not compared: {Reason}")]
    private partial void LogUnreadable(long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis and MySQL were not compared: {Reason}")]
    private partial void LogFailed(string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The reconciler stops in the middle of a pass: {Reason}")]
    private partial void LogCutOff(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The reconciler stops; another instance takes over only when the lease has run out, since it could not be given up: {Reason}")]
    private partial void LogLeaseKept(string reason);
}
