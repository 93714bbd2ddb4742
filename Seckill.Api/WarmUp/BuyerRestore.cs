using System.Data;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>What has been given back without the row lock.</summary>
/// <param name="LastItemId">The newest order line that was there.</param>
/// <param name="ItemCount">Order lines that were there.</param>
public readonly record struct RestoredLines(long LastItemId, long ItemCount);

/// <summary>
/// Gives a SKU's buyers back to Redis what they hold according to MySQL. With many orders that takes long, so most of it is done before the
/// SKU's row is locked, page by page; under the lock, when nothing can be committed, only what was added meanwhile.
/// </summary>
public sealed class BuyerRestore(IServiceScopeFactory scopes, StockRecovery recovery)
{
    /// <summary>Buyers in one query.</summary>
    private const int PageSizeMax = 10_000;

    /// <summary>Buyers of what was added meanwhile in one query.</summary>
    private const int AddedBuyersMax = 1_000;

    /// <summary>All that is committed now, without a lock.</summary>
    public async Task<RestoredLines> RunAheadAsync(SkuKeys sku, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        // One view for the pages and for what is said of them.
        await using var view = await context.Database.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
        var lines = context.OrderItems.Where(item => item.SkuId == sku.SkuId);
        var ahead = new RestoredLines(
            await lines.MaxAsync(item => (long?)item.Id, cancellationToken) ?? 0, await lines.LongCountAsync(cancellationToken));
        await RestoreAllAsync(context, sku, expiresAt, cancellationToken);
        return ahead;
    }

    /// <summary>What has been added since; all, if nothing has been done ahead. The caller holds the row lock.</summary>
    public async Task FinishAsync(
        OrderingDbContext locked, SkuKeys sku, RestoredLines? ahead, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        var lines = locked.OrderItems.Where(item => item.SkuId == sku.SkuId);
        if (ahead is not { } done)
        {
            await RestoreAllAsync(locked, sku, expiresAt, cancellationToken);
            return;
        }

        var added = await lines.Where(item => item.Id > done.LastItemId).Select(item => item.UserId).ToListAsync(cancellationToken);
        if (await lines.LongCountAsync(cancellationToken) != done.ItemCount + added.Count)
        {
            // A transaction that was under way has committed lines with older ids.
            await RestoreAllAsync(locked, sku, expiresAt, cancellationToken);
            return;
        }

        foreach (var users in added.Distinct().Chunk(AddedBuyersMax))
        {
            var live = await Live(locked, sku).Where(item => users.Contains(item.UserId))
                .Select(item => new { item.Id, item.UserId, item.OrderId, item.Quantity })
                .ToListAsync(cancellationToken);
            var buyers = live.GroupBy(item => item.UserId).Select(items =>
            {
                var before = items.Where(item => item.Id <= done.LastItemId).ToList();
                return new BuyerHolding(
                    items.Key, items.Sum(item => item.Quantity), items.Max(item => item.OrderId),
                    before.Sum(item => item.Quantity), before.Count > 0 ? before.Max(item => item.OrderId) : 0);
            });
            await recovery.RestoreBuyersAsync(sku, buyers, expiresAt, cancellationToken);
        }
    }

    private async Task RestoreAllAsync(
        OrderingDbContext context, SkuKeys sku, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        for (var (lastUserId, count) = (long.MinValue, PageSizeMax); count == PageSizeMax;)
        {
            var after = lastUserId;
            var page = await Live(context, sku).Where(item => item.UserId > after)
                .GroupBy(item => item.UserId)
                .Select(items => new
                {
                    UserId = items.Key,
                    Units = items.Sum(item => item.Quantity),
                    Newest = items.Max(item => item.OrderId),
                })
                .OrderBy(buyer => buyer.UserId)
                .Take(PageSizeMax)
                .ToListAsync(cancellationToken);
            await recovery.RestoreBuyersAsync(
                sku, page.Select(buyer => new BuyerHolding(buyer.UserId, buyer.Units, buyer.Newest)), expiresAt, cancellationToken);
            (lastUserId, count) = (page.Count > 0 ? page[^1].UserId : lastUserId, page.Count);
        }
    }

    private static IQueryable<OrderItem> Live(OrderingDbContext context, SkuKeys sku) =>
        context.OrderItems.Where(item => item.SkuId == sku.SkuId)
            .Join(
                context.Orders.Where(order => order.Status != OrderStatus.Closed), item => item.OrderId, order => order.Id,
                (item, _) => item);
}
