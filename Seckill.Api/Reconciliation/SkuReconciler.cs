using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// Compares one SKU exactly, repairs stuck orders, and reports the differences as metrics. It never changes a counter: that is an
/// operator's decision.
/// </summary>
internal sealed partial class SkuReconciler
{
    /// <summary>
    /// How long a SKU that differs no more is reported with 0, ms: several exports long, since an exporter may repeat the last value that
    /// it got.
    /// </summary>
    private const int MendedShownMs = 300_000;

    /// <summary>
    /// SKUs that differ, or have just ceased to. Others are not reported: OpenTelemetry keeps 2,000 values of a metric, and thousands of
    /// zeros would hide the differences.
    /// </summary>
    private readonly ConcurrentDictionary<long, Differences> _differences = new();
    private readonly ReconciliationReader _reader;
    private readonly StuckOrders _stuck;
    private readonly TimeProvider _time;
    private readonly ILogger<SkuReconciler> _logger;

    public SkuReconciler(ReconciliationReader reader, StuckOrders stuck, TimeProvider time, ILogger<SkuReconciler> logger)
    {
        (_reader, _stuck, _time, _logger) = (reader, stuck, time, logger);
        CreateGauge(
            "seckill.reconciliation.difference", found => found.Stores,
            "Redis stock + held - committed but unsettled - MySQL stock, for each SKU where it is not 0.");
        CreateGauge(
            "seckill.reconciliation.held_difference", found => found.Held,
            "Units that Redis holds - units of the reservations in its outbox, for each SKU where it is not 0.");
        OrderingTelemetry.Meter.CreateObservableGauge(
            "seckill.reconciliation.skus_differing", () => _differences.Count(sku => sku.Value.IsAny), "{sku}",
            "SKUs with a difference of either kind; 0 when healthy, and in an instance that does not reconcile.");
    }

    private void CreateGauge(string name, Func<Differences, long?> valueOf, string description) =>
        OrderingTelemetry.Meter.CreateObservableGauge(
            name,
            () =>
                from sku in _differences
                let difference = valueOf(sku.Value)
                where difference is not null
                select new Measurement<long>(difference.Value, new KeyValuePair<string, object?>("sku_id", sku.Key)),
            "{unit}",
            description);

    /// <summary>Records that a snapshot has shown no difference for the SKU.</summary>
    public void NoteQuiet(long skuId) => Note(skuId, 0, 0);

    /// <summary>Another instance compares now: this one's results must not stay in its metric.</summary>
    public void Forget() => _differences.Clear();

    /// <summary>Removes SKUs from the metric that are no longer compared, or have not differed for long enough.</summary>
    public void KeepOnly(IReadOnlyCollection<long> skuIds)
    {
        var kept = skuIds.ToHashSet();
        foreach (var (skuId, found) in _differences)
        {
            if (!kept.Contains(skuId) || (!found.IsAny && _time.GetElapsedTime(found.At).TotalMilliseconds >= MendedShownMs))
            {
                _differences.TryRemove(skuId, out _);
            }
        }
    }

    /// <summary>
    /// A failure to compare or repair this SKU is logged and delays no other SKU. Returns whether it was compared, repaired or not.
    /// </summary>
    public async Task<bool> RunAsync(long skuId, CancellationToken cancellationToken)
    {
        var isCompared = false;
        try
        {
            if (await _reader.ReadAsync(skuId, cancellationToken) is not { } found)
            {
                return true;
            }

            Note(found, skuId);
            isCompared = found.Unreadable is null;
            await HealAsync(found, skuId, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Any failure concerns this SKU alone: the others must not wait for it.
            LogUnreadable(skuId, exception.Message);
        }

        return isCompared;
    }

    private void Note(SkuReconciliation found, long skuId)
    {
        if (found.Unreadable is { } reason)
        {
            LogUnreadable(skuId, reason);
            _differences.TryRemove(skuId, out _);
        }

        if (found.TooManyUnsettled)
        {
            LogTooMany(skuId, found.Redis.Unsettled);
        }

        if (found.SaleGone)
        {
            LogSaleGone(skuId, found.Redis.Stock, found.Redis.Unsettled);
            _differences.TryRemove(skuId, out _);
        }
        else
        {
            NoteBooks(found);
        }
    }

    private async Task HealAsync(SkuReconciliation found, long skuId, CancellationToken cancellationToken)
    {
        var plan = await _stuck.PlanAsync(found, cancellationToken);
        if (plan.Settle.Count > 0 || plan.Republished > 0)
        {
            LogHealing(skuId, plan.Settle.Count, plan.Republished);
            foreach (var (orderId, code) in await _stuck.HealAsync(plan, cancellationToken))
            {
                LogNotSettled(orderId, skuId, code);
            }
        }
    }

    private void Note(long skuId, long? stores, long? held)
    {
        var found = new Differences(stores, held, _time.GetTimestamp());
        if (found.IsAny || (_differences.TryGetValue(skuId, out var before) && before.IsAny))
        {
            _differences[skuId] = found;
        }
    }

    private void NoteBooks(SkuReconciliation found)
    {
        if (found.Unreadable is null)
        {
            Note(found.SkuId, found.Difference, found.HeldDifference);
        }

        if (found.Difference is { } difference and not 0)
        {
            LogDifference(found.SkuId, difference);
        }

        if (found.StoreDifference is { } store and not 0)
        {
            LogStoreDifference(found.SkuId, store);
        }

        if (found.HeldDifference is { } held and not 0)
        {
            LogHeldDifference(found.SkuId, held);
        }

        if (found.Lost.Unwritten is { Count: > 0 } unwritten)
        {
            LogUnwritten(found.SkuId, unwritten.Count, unwritten[0]);
        }

        if (found.Lost.Refused is { Count: > 0 } refused)
        {
            LogRefused(found.SkuId, refused.Count, refused[0]);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "SKU {SkuId}: Redis and MySQL differ by {Difference} units; see GET /api/ops/reconciliation")]
    private partial void LogDifference(long skuId, long difference);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: stock plus sold units differ from the sale's units by {Difference} in MySQL; a row was changed by hand")]
    private partial void LogStoreDifference(long skuId, long difference);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis holds {Difference} units more than the reservations in its outbox; it has lost some of them")]
    private partial void LogHeldDifference(long skuId, long difference);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "SKU {SkuId}: MySQL lacks {Count} orders that buyers were notified of, including {OrderId}; publishing them again")]
    private partial void LogUnwritten(long skuId, int count, long orderId);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "SKU {SkuId}: MySQL has refused {Count} orders whose buyers were told SUCCESS, including {OrderId}")]
    private partial void LogRefused(long skuId, int count, long orderId);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "SKU {SkuId}: {Settled} orders are settled from MySQL, {Republished} are published again")]
    private partial void LogHealing(long skuId, int settled, int republished);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: MySQL no longer has a sale, but Redis still has {Stock} units and {Unsettled} unsettled orders")]
    private partial void LogSaleGone(long skuId, long? stock, long unsettled);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "The verdict on order {OrderId} of SKU {SkuId} cannot be recorded in Redis ({Code}); MySQL has it")]
    private partial void LogNotSettled(long orderId, long skuId, SettleCode code);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: {Unsettled} orders are unsettled, too many to compare Redis and MySQL; the oldest are still repaired")]
    private partial void LogTooMany(long skuId, long unsettled);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: Redis and MySQL were not compared: {Reason}")]
    private partial void LogUnreadable(long skuId, string reason);

    /// <summary>Units by which the books differ; null where it is unknown.</summary>
    /// <param name="Stores">Between the stores.</param>
    /// <param name="Held">Between Redis's total and its outbox.</param>
    /// <param name="At">When that was found, as a timestamp of the measuring clock.</param>
    private readonly record struct Differences(long? Stores, long? Held, long At)
    {
        public bool IsAny => (Stores ?? 0) != 0 || (Held ?? 0) != 0;
    }
}
