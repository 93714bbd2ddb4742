using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// Visits all sales in the instance that holds the lease, one step every <c>EveryMs</c>. <see cref="SkuReconciler"/> compares those whose
/// snapshot does not already show that all is well. An instance that lacks a server for this leaves the lease to another one.
/// </summary>
internal sealed partial class Reconciler : BackgroundService
{
    private const string LeaseKey = "seckill:reconciler";

    /// <summary>
    /// SKUs compared under their row lock in one pass; the next pass continues from there. Comparing all of them each time would keep an
    /// idle machine with many SKUs busy.
    /// </summary>
    private const int ExactPerPassMax = 100;

    private readonly Lease _lease;
    private readonly SkuReconciler _reconciler;
    private readonly SkuSnapshotReader _snapshots;
    private readonly QueueWatch _watch;
    private readonly SaleCursor _cursor;
    private readonly SalesGone _gone;
    private readonly StockRecovery _recovery;
    private readonly SaleCursor _goneCursor;
    private readonly SaleCatalogue _catalogue;
    private readonly ReconciliationOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<Reconciler> _logger;

    /// <summary>SKUs whose sale was deleted, as of the last check.</summary>
    private IReadOnlyList<long> _goneSkuIds = [];

    public Reconciler(
        SkuReconciler reconciler, SkuSnapshotReader snapshots, QueueWatch watch, SaleCatalogue catalogue, SalesGone gone,
        StockRecovery recovery, IConnectionMultiplexer redis, IOptions<ReconciliationOptions> options, TimeProvider time,
        ILogger<Reconciler> logger)
    {
        (_reconciler, _snapshots, _watch, _options, _time, _logger) = (reconciler, snapshots, watch, options.Value, time, logger);
        (_catalogue, _cursor) = (catalogue, new SaleCursor(() => catalogue.KeptSkuIds));
        (_gone, _recovery, _goneCursor) = (gone, recovery, new SaleCursor(() => _goneSkuIds));
        _lease = new Lease(redis, LeaseKey, _options.LeaseMs);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var turn = TimeSpan.FromMilliseconds(_options.EveryMs);
        var pause = turn;
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(pause, _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // After a failure, one turn is left to the other instances.
            pause = await TakeTurnAsync(stoppingToken) ? turn : 2 * turn;
        }

        await ReleaseAsync();
    }

    /// <summary>False when this instance lacks a server; then it has released the lease.</summary>
    private async Task<bool> TakeTurnAsync(CancellationToken stoppingToken)
    {
        var held = false;
        try
        {
            // Before the sales have been read, there is nothing to compare here; another instance may have read them.
            held = !stoppingToken.IsCancellationRequested && _catalogue.Loaded && await _lease.HoldAsync(stoppingToken);
            if (!held)
            {
                _reconciler.Forget();
                return true;
            }

            var unanswered = _watch.UnansweredCount;
            var canCompare = await PassAsync(stoppingToken);
            await LookAfterGoneAsync(stoppingToken);
            if (canCompare && _watch.UnansweredCount == unanswered)
            {
                return true;
            }

            // What was compared stays in the metric until another instance has the lease.
            if (canCompare)
            {
                LogNoBroker();
            }
            else
            {
                _reconciler.Forget();
                LogNoneCompared();
            }
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(exception.Message);
            if (!held)
            {
                return true;
            }

            _reconciler.Forget();
        }
        catch (Exception exception)
        {
            LogCutOff(exception.Message);
            return true;
        }

        await ReleaseAsync();
        return false;
    }

    private async Task ReleaseAsync()
    {
        try
        {
            await _lease.ReleaseAsync();
        }
        catch (Exception exception)
        {
            LogLeaseKept(exception.Message);
        }
    }

    /// <summary>False when no SKU that had to be compared could be: this instance's account or server may be read-only.</summary>
    private async Task<bool> PassAsync(CancellationToken cancellationToken)
    {
        _reconciler.KeepOnly(_catalogue.KeptSkuIds);
        var (exact, compared) = (0, 0);
        foreach (var snapshot in await _snapshots.ReadAsync(_cursor.Next(), cancellationToken))
        {
            if (snapshot.IsQuiet)
            {
                _reconciler.NoteQuiet(snapshot.SkuId);
                continue;
            }

            compared += await _reconciler.RunAsync(snapshot.SkuId, cancellationToken) ? 1 : 0;
            if (++exact == ExactPerPassMax)
            {
                _cursor.ContinueBehind(snapshot.SkuId);
                break;
            }
        }

        return exact == 0 || compared > 0;
    }

    /// <summary>Orders of a deleted sale are still settled and published.</summary>
    private async Task LookAfterGoneAsync(CancellationToken cancellationToken)
    {
        _goneSkuIds = await _gone.FindAsync(cancellationToken);
        var skuIds = _goneCursor.Next();
        var snapshots = await _recovery.SnapshotAsync([.. skuIds.Select(skuId => new SkuKeys(skuId))], cancellationToken);
        var exact = 0;
        foreach (var (skuId, _) in skuIds.Zip(snapshots).Where(sku => sku.Second is not { Unsettled: 0 }))
        {
            await _reconciler.RunAsync(skuId, cancellationToken);
            if (++exact == ExactPerPassMax)
            {
                _goneCursor.ContinueBehind(skuId);
                return;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis and MySQL were not compared: {Reason}")]
    private partial void LogFailed(string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The reconciler stops in the middle of a pass: {Reason}")]
    private partial void LogCutOff(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The broker did not answer, so it is unknown which orders are lost; another instance may reconcile now")]
    private partial void LogNoBroker();

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "None of the SKUs could be compared; another instance may reconcile now")]
    private partial void LogNoneCompared();

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Another instance reconciles only when this one's lease expires, because it could not be released: {Reason}")]
    private partial void LogLeaseKept(string reason);
}
