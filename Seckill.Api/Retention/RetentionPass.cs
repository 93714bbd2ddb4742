using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Store;

namespace Seckill.Api.Retention;

/// <summary>
/// Removes data from MySQL that has reached its retention period, in small batches. Each statement finds the rows still due, so concurrent
/// or interrupted runs are harmless.
/// </summary>
internal sealed class RetentionPass(IServiceScopeFactory scopes, IOptions<RetentionOptions> options, TimeProvider time)
{
    /// <summary>The user id of an order without a buyer: no buyer has this number.</summary>
    public const long Nobody = 0;

    private readonly RetentionOptions _options = options.Value;

    /// <summary>Removes everything that is due; returns the number of rows.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var rows = 0;
        var now = await NowAsync(cancellationToken);
        if (Before(now, _options.OrderBuyerDays) is { } buyersBefore)
        {
            rows += await ForgetBuyersAsync(buyersBefore, cancellationToken);
        }

        if (Before(now, _options.RejectionDays) is { } rejectionsBefore)
        {
            rows += await DeleteRejectionsAsync(rejectionsBefore, cancellationToken);
        }

        if (Before(now, _options.AuditDays) is { } auditBefore)
        {
            rows += await RepeatAsync(
                (context, token) => context.OpsAudit.Where(entry => entry.At < auditBefore)
                    .OrderBy(entry => entry.Id).Take(_options.BatchSizeMax).ExecuteDeleteAsync(token),
                cancellationToken);
        }

        return rows;
    }

    /// <summary>
    /// The earlier of this machine's time and MySQL's: what is deleted does not come back, so one clock that is ahead must not delete the
    /// buyers of a running sale.
    /// </summary>
    private async Task<DateTime> NowAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var store = await scope.ServiceProvider.GetRequiredService<OrderingDbContext>().Database
            .SqlQuery<DateTime>($"SELECT UTC_TIMESTAMP(6) AS Value").SingleAsync(cancellationToken);
        var local = time.GetUtcNow().UtcDateTime;
        return local < store ? local : store;
    }

    private static DateTime? Before(DateTime now, int days) => days > 0 ? now.AddDays(-days) : null;

    private async Task<int> RepeatAsync(
        Func<OrderingDbContext, CancellationToken, Task<int>> batch, CancellationToken cancellationToken)
    {
        var rows = 0;
        while (true)
        {
            await using var scope = scopes.CreateAsyncScope();
            var taken = await batch(scope.ServiceProvider.GetRequiredService<OrderingDbContext>(), cancellationToken);
            rows += taken;
            if (taken == 0)
            {
                return rows;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(_options.PauseMs), time, cancellationToken);
        }
    }

    /// <summary>
    /// Only refusals of sales that are over: while a sale runs, a refused order may still be published or clicked again, and must stay
    /// refused. Each batch continues behind the one before, so that kept refusals are read once.
    /// </summary>
    private async Task<int> DeleteRejectionsAsync(DateTime before, CancellationToken cancellationToken)
    {
        var after = long.MinValue;
        return await RepeatAsync(
            async (context, token) =>
            {
                var ids = await DueRejectionsAsync(context, after, before, token);
                after = ids.LastOrDefault(after);
                if (ids.Count > 0)
                {
                    await context.OrderRejections.Where(rejection => ids.Contains(rejection.OrderId)).ExecuteDeleteAsync(token);
                }

                return ids.Count;
            },
            cancellationToken);
    }

    private Task<List<long>> DueRejectionsAsync(
        OrderingDbContext context, long after, DateTime before, CancellationToken cancellationToken)
    {
        var running = RunningSkuIds(context, before);
        return context.OrderRejections
            .Where(rejection => rejection.OrderId > after && rejection.CreatedAt < before && !running.Contains(rejection.SkuId))
            .OrderBy(rejection => rejection.OrderId).Take(_options.BatchSizeMax).Select(rejection => rejection.OrderId)
            .ToListAsync(cancellationToken);
    }

    /// <summary>SKUs whose sale has not been over for as long as the period.</summary>
    private static IQueryable<long> RunningSkuIds(OrderingDbContext context, DateTime before) =>
        context.SeckillSales.Where(sale => sale.EndsAt >= before).Select(sale => sale.SkuId);

    /// <summary>
    /// Starts at the first order each time: an order that waited in a queue or was restored is written long after its id was assigned,
    /// below ids that were already processed.
    /// </summary>
    private async Task<int> ForgetBuyersAsync(DateTime before, CancellationToken cancellationToken)
    {
        var after = long.MinValue;
        return await RepeatAsync(
            async (context, token) =>
            {
                var ids = await DueAsync(context, after, before, token);
                after = ids.LastOrDefault(after);
                return await ForgetBuyersAsync(context, ids, token);
            },
            cancellationToken);
    }

    /// <summary>Only orders of sales that are over: while a sale runs, its buyers' purchase limits depend on these columns.</summary>
    private Task<List<long>> DueAsync(OrderingDbContext context, long after, DateTime before, CancellationToken cancellationToken)
    {
        var running = RunningSkuIds(context, before);
        return context.Orders
            .Where(order => order.Id > after && order.UserId != Nobody && order.CreatedAt < before
                && !order.Items.Any(item => running.Contains(item.SkuId)))
            .OrderBy(order => order.Id).Take(_options.BatchSizeMax).Select(order => order.Id).ToListAsync(cancellationToken);
    }

    /// <summary>
    /// Updates the items first: after an interruption an order that still has its buyer is found again. Returns how many orders were
    /// checked.
    /// </summary>
    private static async Task<int> ForgetBuyersAsync(OrderingDbContext context, List<long> ids, CancellationToken cancellationToken)
    {
        if (ids.Count == 0)
        {
            return 0;
        }

        await context.OrderItems.Where(item => ids.Contains(item.OrderId))
            .ExecuteUpdateAsync(set => set.SetProperty(item => item.UserId, Nobody), cancellationToken);
        await context.Orders.Where(order => ids.Contains(order.Id) && order.UserId != Nobody)
            .ExecuteUpdateAsync(
                set => set.SetProperty(order => order.UserId, Nobody).SetProperty(order => order.ClientOrderNo, (string?)null),
                cancellationToken);
        return ids.Count;
    }
}
