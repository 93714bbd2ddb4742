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

    /// <summary>Restores the clicks of all orders and refusals of the SKU.</summary>
    public async Task RunAsync(OrderingDbContext context, SkuKeys sku, CancellationToken cancellationToken)
    {
        await RunAsync(context, sku, afterItemId: null, cancellationToken);
        for (var (last, count) = (0L, PageSizeMax); count == PageSizeMax;)
        {
            var after = last;
            var page = await context.OrderRejections.AsNoTracking()
                .Where(refused => refused.SkuId == sku.SkuId && refused.OrderId > after && refused.ClientOrderNo != null)
                .OrderBy(refused => refused.OrderId)
                .Take(PageSizeMax)
                .Select(refused => new BuyerClick(refused.UserId, refused.ClientOrderNo!, refused.OrderId, refused.Quantity))
                .ToListAsync(cancellationToken);
            await recovery.RestoreClicksAsync(sku, page, cancellationToken);
            (last, count) = (page.Count > 0 ? page[^1].OrderId : last, page.Count);
        }
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
