using System.Collections.Frozen;
using System.Data;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>Units and clicks that were restored without the row lock.</summary>
/// <param name="LastItemId">The newest order line at that time.</param>
/// <param name="ItemCount">The number of order lines at that time.</param>
/// <param name="PendingUserIds">Buyers whose orders were unsettled at that time; their outcome since is read under the lock.</param>
/// <param name="RefusedIds">Orders that had been refused at that time.</param>
public sealed record RestoredLines(
    long LastItemId, long ItemCount, IReadOnlySet<long> PendingUserIds, IReadOnlySet<long> RefusedIds);

/// <summary>
/// Restores in Redis the units that a SKU's buyers hold: according to MySQL, and by reservations that MySQL has no order for yet. That
/// takes a long time with many orders, so most of it is done page by page before the SKU's row is locked. Under the lock, while nothing can
/// be committed, only buyers with unsettled or newer orders are left, and the clicks of orders that were written or refused meanwhile:
/// while Redis has neither the order nor the counter, settling records no click.
/// </summary>
public sealed class BuyerRestore(IServiceScopeFactory scopes, StockRecovery recovery, ClickRestore clicks)
{
    /// <summary>Maximum number of buyers in one query over all buyers.</summary>
    private const int PageSizeMax = 10_000;

    /// <summary>Maximum number of buyers in one query for chosen buyers.</summary>
    private const int ChosenBuyersMax = 1_000;

    private static readonly ILookup<long, long> NoPending = Array.Empty<long>().ToLookup(id => id);

    /// <summary>
    /// Restores everything committed so far, without a lock. MySQL's epoch is <paramref name="epoch"/>; null, and nothing is restored, when
    /// it is another one by now.
    /// </summary>
    public async Task<RestoredLines?> RunAheadAsync(
        SkuKeys sku, long epoch, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        if (await EpochAsync(context, sku, cancellationToken) != epoch)
        {
            return null;
        }

        // Before the view is opened: orders in the view are restored below and later ones under the lock, so settling must not add them as
        // well.
        await recovery.RestoreBuyersAsync(sku, [], epoch, expiresAt, cancellationToken);
        // Also before the view is opened: a buyer who is no longer pending by then has a decision that the view shows, or no order.
        var pending = await recovery.PendingAsync(sku, await recovery.UnsettledIdsAsync(sku, cancellationToken), cancellationToken);
        // One view for the pages and for the counts taken with them.
        await using var view = await context.Database.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
        if (await EpochAsync(context, sku, cancellationToken) != epoch)
        {
            // Another load has finished since. Orders that were committed after it are in the view, and settling adds them to the buyers.
            return null;
        }

        var lines = context.OrderItems.Where(item => item.SkuId == sku.SkuId);
        var lastItemId = await lines.MaxAsync(item => (long?)item.Id, cancellationToken) ?? 0;
        var itemCount = await lines.LongCountAsync(cancellationToken);
        // Clicks first: the gate may be open, and a repeated click must find its order before its buyer's units turn it away.
        await clicks.RunAsync(context, sku, afterItemId: null, cancellationToken);
        var refusedIds = await clicks.RunRefusedAsync(context, sku, FrozenSet<long>.Empty, cancellationToken);
        // The load may never come, so the clicks get their time to live here.
        await recovery.RestoreBuyersAsync(sku, [], lockedEpoch: null, expiresAt, cancellationToken);
        await RestoreAllAsync(context, sku, NoPending, lockedEpoch: null, expiresAt, cancellationToken);
        return new RestoredLines(lastItemId, itemCount, pending.Select(order => order.UserId).ToHashSet(), refusedIds);
    }

    /// <summary>
    /// Restores the rest, or everything if nothing was done ahead. The caller holds the row lock, under which MySQL's epoch is
    /// <paramref name="lockedEpoch"/>, and <paramref name="pending"/> are all unsettled orders that MySQL has no order for.
    /// </summary>
    public async Task FinishAsync(
        OrderingDbContext locked, SkuKeys sku, long lockedEpoch, RestoredLines? ahead,
        IReadOnlyCollection<(long UserId, long OrderId)> pending, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        // Before everything else: orders settled from here on are among those restored, and must not be added to them.
        await recovery.RestoreBuyersAsync(sku, [], lockedEpoch, expiresAt, cancellationToken);
        var pendingByUser = pending.ToLookup(order => order.UserId, order => order.OrderId);
        var users = pendingByUser.Select(orders => orders.Key).ToHashSet();
        var lines = locked.OrderItems.Where(item => item.SkuId == sku.SkuId);
        var refusedIds = ahead?.RefusedIds ?? FrozenSet<long>.Empty;
        if (ahead is { } done)
        {
            var added = await lines.Where(item => item.Id > done.LastItemId).Select(item => item.UserId).ToListAsync(cancellationToken);
            users.UnionWith(done.PendingUserIds);
            users.UnionWith(added);
            // If the counts differ, a transaction in progress has committed lines with older ids.
            ahead = await lines.LongCountAsync(cancellationToken) == done.ItemCount + added.Count ? done : null;
        }

        // Orders first: a click's first entry stays, and an order outweighs a refusal.
        await clicks.RunAsync(locked, sku, ahead?.LastItemId, cancellationToken);
        await clicks.RunRefusedAsync(locked, sku, refusedIds, cancellationToken);
        if (ahead is null)
        {
            await RestoreAllAsync(locked, sku, pendingByUser, lockedEpoch, expiresAt, cancellationToken);
        }

        foreach (var chosen in users.Chunk(ChosenBuyersMax))
        {
            var held = await HoldingsOf(Live(locked, sku).Where(item => chosen.Contains(item.UserId))).ToListAsync(cancellationToken);
            var others = chosen.Except(held.Select(buyer => buyer.UserId)).Select(userId => new Holding(userId, 0, 0));
            await RestoreAsync(sku, held.Concat(others), pendingByUser, lockedEpoch, expiresAt, cancellationToken);
        }
    }

    private static Task<long?> EpochAsync(OrderingDbContext context, SkuKeys sku, CancellationToken cancellationToken) =>
        context.ProductSkus.Where(row => row.Id == sku.SkuId).Select(row => (long?)row.GateEpoch).SingleOrDefaultAsync(cancellationToken);

    private async Task RestoreAllAsync(
        OrderingDbContext context, SkuKeys sku, ILookup<long, long> pending, long? lockedEpoch, DateTimeOffset expiresAt,
        CancellationToken cancellationToken)
    {
        for (var (lastUserId, count) = (long.MinValue, PageSizeMax); count == PageSizeMax;)
        {
            var after = lastUserId;
            var page = await HoldingsOf(Live(context, sku).Where(item => item.UserId > after)).ToListAsync(cancellationToken);
            await RestoreAsync(sku, page, pending, lockedEpoch, expiresAt, cancellationToken);
            (lastUserId, count) = (page.Count > 0 ? page[^1].UserId : lastUserId, page.Count);
        }
    }

    private Task RestoreAsync(
        SkuKeys sku, IEnumerable<Holding> buyers, ILookup<long, long> pending, long? lockedEpoch, DateTimeOffset expiresAt,
        CancellationToken cancellationToken) =>
        recovery.RestoreBuyersAsync(
            sku, buyers.Select(buyer => new BuyerHolding(buyer.UserId, buyer.Units, buyer.Newest, [.. pending[buyer.UserId]])), lockedEpoch,
            expiresAt, cancellationToken);

    /// <summary>Sorted by user id.</summary>
    private static IQueryable<Holding> HoldingsOf(IQueryable<OrderItem> items) => items.GroupBy(item => item.UserId)
        .OrderBy(items => items.Key)
        .Take(PageSizeMax)
        .Select(items => new Holding(items.Key, items.Sum(item => item.Quantity), items.Max(item => item.OrderId)));

    private static IQueryable<OrderItem> Live(OrderingDbContext context, SkuKeys sku) =>
        context.OrderItems.Where(item => item.SkuId == sku.SkuId)
            .Join(
                context.Orders.Where(order => order.Status != OrderStatus.Closed), item => item.OrderId, order => order.Id,
                (item, _) => item);

    /// <summary>A buyer's holdings according to MySQL.</summary>
    private sealed record Holding(long UserId, long Units, long Newest);
}
