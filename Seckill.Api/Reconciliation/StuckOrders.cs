using System.Globalization;
using Microsoft.Extensions.Options;
using Seckill.Api.DeadLetters;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Reconciliation;

/// <summary>What is to be done about one SKU.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Load">Redis has no valid counter: load it.</param>
/// <param name="Reload">The counter differs from what it must be by this many units: close the gate for a moment and load it again. 0 for
/// no.</param>
/// <param name="Settle">Verdicts of MySQL that Redis has not heard of.</param>
/// <param name="Republish">Orders that the broker had confirmed and that are neither in its queue nor in MySQL.</param>
public sealed record RepairPlan(long SkuId, bool Load, long Reload, IReadOnlyList<Settlement> Settle, IReadOnlyList<long> Republish)
{
    public bool Empty => !Load && Reload == 0 && Settle.Count == 0 && Republish.Count == 0;

    /// <summary>One line for the audit log.</summary>
    public string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"load: {Load}, reload for a difference of: {Reload}, settle: {Settle.Count}, republish: {Republish.Count}");
}

/// <summary>
/// Finds and heals orders that are unsettled for too long, which happens when Redis or the broker lost its last moments: MySQL's verdict is
/// told to Redis, and an order that nobody has is published again. Both are safe at any time, because settling happens once and an order id
/// is one order.
/// </summary>
internal sealed partial class StuckOrders(
    StockLedger ledger, StockRecovery recovery, QueueDepths queues, DeadLetterOperations deadLetters,
    IOptions<ReconciliationOptions> options, TimeProvider time, ILogger<StuckOrders> logger)
{
    /// <summary>Plans from one comparison; asks the broker only when an order may have to be published again.</summary>
    public async Task<RepairPlan> PlanAsync(SkuReconciliation found, CancellationToken cancellationToken)
    {
        var before = time.GetUtcNow().AddMilliseconds(-options.Value.StuckAfterMs);
        var max = options.Value.HealBatchSizeMax;
        var settle = found.Decided.Where(order => SnowflakeSequence.TimeOf(order.OrderId) < before).Take(max).ToList();
        var lost = found.Undecided.Where(id => SnowflakeSequence.TimeOf(id) < before).Take(max).ToList();
        if (lost.Count > 0)
        {
            // While anything waits in the queue it may be these; a queue that is merely long is no reason to publish again.
            lost = await DepthAsync(cancellationToken) is { Ready: 0, Workers: > 0 } ? await WithoutDeadAsync(lost, cancellationToken) : [];
        }

        // Loading would fail on the same keys.
        return new RepairPlan(found.SkuId, !found.Loaded && found.Unreadable is null, found.Difference ?? 0, settle, lost);
    }

    /// <summary>Null when the broker does not say: then no order is taken for lost, and what needs no broker goes on.</summary>
    private async Task<QueueDepth?> DepthAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await queues.ReadAsync(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogDepthUnknown(exception.Message);
            return null;
        }
    }

    /// <summary>
    /// What lies among the dead letters is not lost: it waits for an operator, who replays or abandons it. Publishing it again would make
    /// one more letter of it at every pass, and could write the order while it is being abandoned.
    /// </summary>
    private async Task<List<long>> WithoutDeadAsync(List<long> lost, CancellationToken cancellationToken)
    {
        try
        {
            // Not only when the broker counts some: it does not count those that an operator's call holds, which is what their lock tells.
            // With more letters than can be looked through, nobody can tell which orders are among the others.
            return await deadLetters.ReadOrderIdsAsync(cancellationToken) is { } dead
                ? [.. lost.Where(id => !dead.Contains(id.ToString(CultureInfo.InvariantCulture)))]
                : [];
        }
        catch (DeadLettersBusyException)
        {
            // An operator is at them; the next pass will see.
            return [];
        }
    }

    /// <summary>Carries out the part of a plan that concerns single orders.</summary>
    public async Task HealAsync(RepairPlan plan, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(plan.SkuId);
        foreach (var batch in plan.Settle.Chunk(StockLedger.ReserveBatchSizeMax))
        {
            await ledger.SettleAsync(sku, batch, cancellationToken);
        }

        if (plan.Republish.Count > 0)
        {
            await recovery.UnconfirmAsync(sku, plan.Republish, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queue's depth is not known, so no order is published again: {Reason}")]
    private partial void LogDepthUnknown(string reason);
}
