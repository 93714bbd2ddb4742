using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>
/// Restores a SKU's clicks in Redis, so that a repeated click finds its order or its refusal even after Redis has lost it: a repeated click
/// of a buyer who has won must not be answered with "limit reached".
/// </summary>
public sealed class ClickRestore(StockRecovery recovery)
{
    /// <summary>Maximum number of clicks in one query.</summary>
    private const int PageSizeMax = 10_000;

    /// <summary>Maximum number of refusals in one query by their ids.</summary>
    private const int ChosenRefusalsMax = 1_000;

    /// <summary>
    /// Restores the clicks of refused orders, except those whose ids are in <paramref name="restored"/>. An order's id tells when it was
    /// placed, not when it was refused. So all ids are read, from the index on the SKU alone, and only the others' rows.
    /// </summary>
    /// <returns>All ids, for the next call.</returns>
    public async Task<IReadOnlySet<long>> RunRefusedAsync(
        OrderingDbContext context, SkuKeys sku, IReadOnlySet<long> restored, CancellationToken cancellationToken)
    {
        var refused = (await context.OrderRejections.Where(refusal => refusal.SkuId == sku.SkuId).Select(refusal => refusal.OrderId)
            .ToListAsync(cancellationToken)).ToHashSet();
        foreach (var ids in refused.Where(id => !restored.Contains(id)).Chunk(ChosenRefusalsMax))
        {
            var page = await context.OrderRejections.AsNoTracking()
                .Where(refusal => ids.Contains(refusal.OrderId) && refusal.ClientOrderNo != null)
                .Select(refusal => new BuyerClick(refusal.UserId, refusal.ClientOrderNo!, refusal.OrderId, refusal.Quantity))
                .ToListAsync(cancellationToken);
            await recovery.RestoreClicksAsync(sku, page, cancellationToken);
        }

        return refused;
    }

    /// <summary>
    /// Restores the clicks of orders whose lines came after <paramref name="afterItemId"/>, or of all orders if it is null. Sorted by SKU
    /// and buyer like the index: with any other order MySQL would sort all remaining rows for each page.
    /// </summary>
    public async Task RunAsync(OrderingDbContext context, SkuKeys sku, long? afterItemId, CancellationToken cancellationToken)
    {
        var first = afterItemId ?? 0;
        for (var (lastUserId, lastItemId, count) = (long.MinValue, 0L, PageSizeMax); count == PageSizeMax;)
        {
            var (userId, itemId) = (lastUserId, lastItemId);
            // Joined before the page is cut: a line without an order must not make a page look like the last one.
            var page = await context.OrderItems
                .Where(item => item.SkuId == sku.SkuId && item.Id > first
                    && item.UserId >= userId && (item.UserId > userId || item.Id > itemId))
                .Join(
                    context.Orders, item => item.OrderId, order => order.Id,
                    (item, order) => new { item.UserId, item.Id, Buyer = order.UserId, order.ClientOrderNo, item.OrderId, item.Quantity })
                .OrderBy(line => line.UserId)
                .ThenBy(line => line.Id)
                .Take(PageSizeMax)
                .ToListAsync(cancellationToken);
            await recovery.RestoreClicksAsync(
                sku,
                page.Where(line => line.ClientOrderNo is not null)
                    .Select(line => new BuyerClick(line.Buyer, line.ClientOrderNo!, line.OrderId, line.Quantity)),
                cancellationToken);
            (lastUserId, lastItemId, count) =
                page.Count > 0 ? (page[^1].UserId, page[^1].Id, page.Count) : (lastUserId, lastItemId, 0);
        }
    }
}
