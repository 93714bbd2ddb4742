using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Snapshots;

/// <summary>MySQL's decisions on orders that are still unsettled in Redis.</summary>
internal static class StoreDecisions
{
    /// <summary>Maximum number of ids in one query.</summary>
    private const int QueryIdsMax = 500;

    /// <summary>The decisions, ready to be settled; orders that MySQL does not know are left out.</summary>
    public static async Task<List<Settlement>> ReadAsync(
        OrderingDbContext context, IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        var decisions = new List<Settlement>();
        foreach (var ids in orderIds.Chunk(QueryIdsMax))
        {
            var committed =
                from order in context.Orders
                where ids.Contains(order.Id)
                join item in context.OrderItems on order.Id equals item.OrderId
                select new { order.Id, order.OrderSn, order.GateEpoch, item.Quantity, order.UserId, order.ClientOrderNo };
            await foreach (var order in committed.AsNoTracking().AsAsyncEnumerable().WithCancellation(cancellationToken))
            {
                decisions.Add(new Settlement(
                    order.Id, Success: true, order.OrderSn, StockDeducted: true, order.GateEpoch, order.Quantity, order.UserId,
                    order.ClientOrderNo, null));
            }

            var rejected = context.OrderRejections.AsNoTracking().Where(rejection => ids.Contains(rejection.OrderId));
            await foreach (var order in rejected.AsAsyncEnumerable().WithCancellation(cancellationToken))
            {
                decisions.Add(new Settlement(
                    order.OrderId, Success: false, order.Reason, StockDeducted: false, 0, order.Quantity, order.UserId, order.ClientOrderNo,
                    null));
            }
        }

        return decisions;
    }
}
