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

    /// <summary>For a SKU with millions of orders, seconds.</summary>
    private const int SellingTimeoutSeconds = 300;

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
                async (context, token) =>
                {
                    var removed = await context.OpsAudit.Where(entry => entry.At < auditBefore)
                        .OrderBy(entry => entry.Id).Take(_options.BatchSizeMax).ExecuteDeleteAsync(token);
                    return (removed, removed);
                },
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

    /// <summary>Until a batch reads nothing; returns the number of rows removed.</summary>
    private async Task<int> RepeatAsync(
        Func<OrderingDbContext, CancellationToken, Task<(int Read, int Removed)>> batch, CancellationToken cancellationToken)
    {
        var rows = 0;
        while (true)
        {
            await using var scope = scopes.CreateAsyncScope();
            var (read, removed) = await batch(scope.ServiceProvider.GetRequiredService<OrderingDbContext>(), cancellationToken);
            rows += removed;
            if (read == 0)
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
        var (after, selling) = (long.MinValue, new Dictionary<long, bool>());
        return await RepeatAsync(
            async (context, token) =>
            {
                var due = await DueRejectionsAsync(context, after, before, token);
                after = due.Count > 0 ? due[^1].OrderId : after;
                var ids = await WithoutSellingAsync(context, due, selling, before, token);
                if (ids.Count > 0)
                {
                    await context.OrderRejections.Where(rejection => ids.Contains(rejection.OrderId)).ExecuteDeleteAsync(token);
                }

                return (due.Count, ids.Count);
            },
            cancellationToken);
    }

    private async Task<List<(long OrderId, long SkuId)>> DueRejectionsAsync(
        OrderingDbContext context, long after, DateTime before, CancellationToken cancellationToken)
    {
        var running = RunningSkuIds(context, before);
        var due = await context.OrderRejections
            .Where(rejection => rejection.OrderId > after && rejection.CreatedAt < before && !running.Contains(rejection.SkuId))
            .OrderBy(rejection => rejection.OrderId).Take(_options.BatchSizeMax)
            .Select(rejection => new { rejection.OrderId, rejection.SkuId }).ToListAsync(cancellationToken);
        return [.. due.Select(rejection => (rejection.OrderId, rejection.SkuId))];
    }

    /// <summary>SKUs whose sale has not been over for as long as the period.</summary>
    private static IQueryable<long> RunningSkuIds(OrderingDbContext context, DateTime before) =>
        context.SeckillSales.Where(sale => sale.EndsAt >= before).Select(sale => sale.SkuId);

    /// <summary>
    /// Leaves out the orders of SKUs that have sold within the period. Their sale is not over, whatever its row says: a wrong date, or a
    /// row that is missing for a while, must not delete what the sale depends on.
    /// </summary>
    /// <param name="context">The tables.</param>
    /// <param name="due">Orders with their SKUs; one order may be there with several.</param>
    /// <param name="selling">What this pass knows already, by SKU.</param>
    /// <param name="before">Start of the period.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    private static async Task<List<long>> WithoutSellingAsync(
        OrderingDbContext context, List<(long OrderId, long SkuId)> due, Dictionary<long, bool> selling, DateTime before,
        CancellationToken cancellationToken)
    {
        context.Database.SetCommandTimeout(SellingTimeoutSeconds);
        foreach (var skuId in due.Select(order => order.SkuId).Distinct().Where(skuId => !selling.ContainsKey(skuId)).ToList())
        {
            selling[skuId] = await context.OrderItems.Where(item => item.SkuId == skuId)
                .Join(context.Orders, item => item.OrderId, order => order.Id, (_, order) => order.CreatedAt)
                .AnyAsync(createdAt => createdAt >= before, cancellationToken);
        }

        context.Database.SetCommandTimeout((int?)null);

        return [.. due.GroupBy(order => order.OrderId).Where(order => !order.Any(item => selling[item.SkuId])).Select(order => order.Key)];
    }

    /// <summary>
    /// Starts at the first order each time: an order that waited in a queue or was restored is written long after its id was assigned,
    /// below ids that were already processed.
    /// </summary>
    private async Task<int> ForgetBuyersAsync(DateTime before, CancellationToken cancellationToken)
    {
        var (after, selling) = (long.MinValue, new Dictionary<long, bool>());
        return await RepeatAsync(
            async (context, token) =>
            {
                var due = await DueAsync(context, after, before, token);
                after = due.Count > 0 ? due[^1].OrderId : after;
                var ids = await WithoutSellingAsync(context, due, selling, before, token);
                await ForgetBuyersAsync(context, ids, token);
                return (due.Count, ids.Count);
            },
            cancellationToken);
    }

    /// <summary>Only orders of sales that are over: while a sale runs, its buyers' purchase limits depend on these columns.</summary>
    private async Task<List<(long OrderId, long SkuId)>> DueAsync(
        OrderingDbContext context, long after, DateTime before, CancellationToken cancellationToken)
    {
        var running = RunningSkuIds(context, before);
        var due = await context.Orders
            .Where(order => order.Id > after && order.UserId != Nobody && order.CreatedAt < before
                && !order.Items.Any(item => running.Contains(item.SkuId)))
            .OrderBy(order => order.Id).Take(_options.BatchSizeMax)
            .Select(order => new { order.Id, SkuIds = order.Items.Select(item => item.SkuId).ToList() }).ToListAsync(cancellationToken);
        return [.. due.SelectMany(order => order.SkuIds.DefaultIfEmpty().Select(skuId => (order.Id, skuId)))];
    }

    /// <summary>Updates the items first: after an interruption an order that still has its buyer is found again.</summary>
    private static async Task ForgetBuyersAsync(OrderingDbContext context, List<long> ids, CancellationToken cancellationToken)
    {
        if (ids.Count == 0)
        {
            return;
        }

        await context.OrderItems.Where(item => ids.Contains(item.OrderId))
            .ExecuteUpdateAsync(set => set.SetProperty(item => item.UserId, Nobody), cancellationToken);
        await context.Orders.Where(order => ids.Contains(order.Id) && order.UserId != Nobody)
            .ExecuteUpdateAsync(
                set => set.SetProperty(order => order.UserId, Nobody).SetProperty(order => order.ClientOrderNo, (string?)null),
                cancellationToken);
    }
}
