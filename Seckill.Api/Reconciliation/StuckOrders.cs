using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Reconciliation;

/// <summary>The repair that one SKU needs.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Load">Redis has no valid counter: load it.</param>
/// <param name="Reload">Units by which the counter, or Redis's total of held units, differs from the correct value: close the gate briefly
/// and load the counter again. 0 for no reload.</param>
/// <param name="Settle">MySQL's decisions that Redis does not have yet.</param>
/// <param name="Republish">Orders that the broker confirmed and that are neither in its queue nor in MySQL.</param>
/// <param name="Recall">Orders that have left the outbox and that MySQL does not have: put them back into the outbox to be
/// published.</param>
/// <param name="Unwritten">Those of them whose buyers were told SUCCESS, including those already back in the outbox. While there are any,
/// no counter is loaded.</param>
public sealed record RepairPlan(
    long SkuId, bool Load, long Reload, IReadOnlyList<Settlement> Settle, IReadOnlyList<long> Republish, IReadOnlyList<long> Recall,
    IReadOnlyList<long> Unwritten)
{
    public bool Empty => !Load && Reload == 0 && Settle.Count == 0 && Republished == 0 && Unwritten.Count == 0;

    public int Republished => Republish.Count + Recall.Count;

    /// <summary>One line for the audit log.</summary>
    public string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"load: {Load}, reload for a difference of: {Reload}, settle: {Settle.Count}, republish: {Republished}{WhyNoLoad}");

    private string WhyNoLoad => Unwritten.Count == 0
        ? ""
        : string.Create(
            CultureInfo.InvariantCulture,
            $"; no load while MySQL lacks {Unwritten.Count} orders that buyers were notified of, including {Unwritten[0]}");
}

/// <summary>An order whose decision Redis cannot settle, and why.</summary>
internal readonly record struct UnsettledOrder(long OrderId, SettleCode Code);

/// <summary>
/// Finds and repairs orders that stay unsettled for too long, which happens when Redis or the broker has lost its latest writes. MySQL's
/// decision is settled in Redis, and an order that no store has is published again. Both are safe at any time, because settling happens
/// once and an order id makes one order. Each repeat costs the broker and the worker something, so an order that stays lost is published at
/// growing intervals.
/// </summary>
internal sealed class StuckOrders(
    StockLedger ledger, StockRecovery recovery, BrokerView broker, OrderRoute route, IOptions<ReconciliationOptions> options,
    TimeProvider time)
{
    private const int RepublishedMax = 100_000;

    /// <summary>When orders were last published again here; emptied at <see cref="RepublishedMax"/>.</summary>
    private readonly ConcurrentDictionary<long, DateTimeOffset> _republishedAt = new();

    /// <summary>
    /// Plans from one comparison; queries the broker only when an order may have to be published again. Without its answer, MySQL's
    /// decisions are settled all the same.
    /// </summary>
    public async Task<RepairPlan> PlanAsync(SkuReconciliation found, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var max = options.Value.HealBatchSizeMax;
        var settle = found.Decided.Where(order => IsOld(order.OrderId, now, options.Value)).Take(max).ToList();
        var lost = found.Undecided.Any(id => IsOld(id, now, options.Value)) ? await LostAsync(found, cancellationToken) : [];

        var listed = found.Redis.UnsettledIds?.ToHashSet() ?? [];
        // Loading would fail on the same keys, sell units again that MySQL has forgotten, or load a sale that no longer exists.
        var mayLoad = found is { Unreadable: null, SaleGone: false } && found.Lost.Unwritten.Count == 0;
        return new RepairPlan(
            found.SkuId, mayLoad && !found.Loaded, mayLoad ? ReloadOf(found) : 0, settle, [.. lost.Take(max)],
            [.. found.Lost.Republishable.Where(id => !listed.Contains(id))], found.Lost.Unwritten);
    }

    /// <summary>Reservations that go back into the outbox are counted as held again; a load before that would count them twice.</summary>
    private static long ReloadOf(SkuReconciliation found) =>
        found.Difference is { } difference and not 0 ? difference : found.Lost.Unlisted.Count == 0 ? found.HeldDifference ?? 0 : 0;

    /// <summary>
    /// Whether an order's id is old enough for a repair. So is an id from the future: the clock of the instance that made it was ahead, and
    /// its age is unknown. A smaller difference may be the offset between two servers' clocks.
    /// </summary>
    internal static bool IsOld(long orderId, DateTimeOffset now, ReconciliationOptions options) =>
        (now - SnowflakeSequence.TimeOf(orderId)).Duration().TotalMilliseconds > options.StuckAfterMs;

    /// <summary>
    /// When an undecided order may be published again: after the last confirm it waits as long as it had already been waiting. So the time
    /// since the click doubles with each repeat, up to <c>RepublishPauseMsMax</c>.
    /// </summary>
    internal static DateTimeOffset RepublishAt(DateTimeOffset reservedAt, DateTimeOffset confirmedAt, ReconciliationOptions options)
    {
        var pauseMs = Math.Max(options.StuckAfterMs, Math.Min((confirmedAt - reservedAt).TotalMilliseconds, options.RepublishPauseMsMax));
        return confirmedAt.AddMilliseconds(pauseMs);
    }

    private async Task<List<long>> LostAsync(SkuReconciliation found, CancellationToken cancellationToken)
    {
        if (await broker.ThroughUntilAsync(cancellationToken) is not { } until)
        {
            return [];
        }

        // Read only now: an order settled since the comparison is no longer there, and an order confirmed again has a new time. Orders
        // without a confirm are left to the sweeper.
        var (sku, undecided, now) = (new SkuKeys(found.SkuId), found.Undecided.ToHashSet(), time.GetUtcNow());
        var lost = (await recovery.ConfirmedBeforeAsync(sku, until, cancellationToken))
            .Where(order => undecided.Contains(order.OrderId)
                && RepublishAt(SnowflakeSequence.TimeOf(order.OrderId), order.ConfirmedAt, options.Value) <= now)
            .Select(order => order.OrderId)
            .ToList();
        lost.AddRange(await LostAheadAsync(sku, undecided, until, now, cancellationToken));
        // An order among the dead letters is not lost: it waits for an operator, who replays or abandons it. Publishing it again would add
        // another letter at every pass, and could write the order while it is being abandoned.
        return await broker.WithoutDeadAsync(lost, cancellationToken);
    }

    /// <summary>
    /// Lost orders whose confirm was recorded by an instance with its clock ahead. That time says nothing; the time of the reservation,
    /// by Redis's own clock, counts instead.
    /// </summary>
    private async Task<IEnumerable<long>> LostAheadAsync(
        SkuKeys sku, HashSet<long> undecided, DateTimeOffset until, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var ahead = await recovery.ConfirmedBeforeAsync(
            sku, DateTimeOffset.MaxValue, cancellationToken, after: now.AddMilliseconds(options.Value.StuckAfterMs));
        var orderIds = ahead.Select(order => order.OrderId).Where(undecided.Contains).Take(options.Value.HealBatchSizeMax).ToList();
        if (orderIds.Count == 0)
        {
            return [];
        }

        // The clock may stay ahead, so that each confirm lies in the future: the pauses must grow all the same.
        var beforeMs = Math.Min(until.ToUnixTimeMilliseconds(), now.ToUnixTimeMilliseconds() - options.Value.StuckAfterMs);
        return (await ledger.FindAsync(sku, orderIds, cancellationToken)).OfType<Reservation>()
            .Where(order => order.ReservedAtMs <= beforeMs && IsDueAgain(order, now)).Select(order => order.OrderId);
    }

    private bool IsDueAgain(Reservation order, DateTimeOffset now) =>
        !_republishedAt.TryGetValue(order.OrderId, out var last)
        || RepublishAt(DateTimeOffset.FromUnixTimeMilliseconds(order.ReservedAtMs), last, options.Value) <= now;

    /// <summary>Carries out the part of a plan that concerns single orders. Returns the orders that cannot be settled.</summary>
    public async Task<IReadOnlyList<UnsettledOrder>> HealAsync(RepairPlan plan, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(plan.SkuId);
        var refused = new List<UnsettledOrder>();
        foreach (var batch in plan.Settle.Chunk(StockLedger.ReserveBatchSizeMax))
        {
            var codes = await ledger.SettleAsync(sku, batch, cancellationToken);
            refused.AddRange(batch.Zip(codes, (order, code) => new UnsettledOrder(order.OrderId, code))
                .Where(order => order.Code is SettleCode.OtherBuyer or SettleCode.Unreadable or SettleCode.Contradicted));
        }

        if (plan.Republished > 0)
        {
            await route.EnsureAsync(cancellationToken);
        }

        if (plan.Republish.Count > 0)
        {
            if (_republishedAt.Count + plan.Republish.Count > RepublishedMax)
            {
                _republishedAt.Clear();
            }

            foreach (var orderId in plan.Republish)
            {
                _republishedAt[orderId] = time.GetUtcNow();
            }

            await recovery.UnconfirmAsync(sku, plan.Republish, cancellationToken);
        }

        if (plan.Recall.Count > 0)
        {
            await recovery.RecallAsync(sku, plan.Recall, cancellationToken);
        }

        return refused;
    }
}
