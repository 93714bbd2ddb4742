using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Store;

namespace Seckill.Api.Retention;

/// <summary>
/// Takes from MySQL what is older than it may be, in small batches. Each statement finds what is still due, so that two at once, or one
/// that is cut off, do no harm.
/// </summary>
internal sealed class RetentionPass(IServiceScopeFactory scopes, IOptions<RetentionOptions> options, TimeProvider time)
{
    /// <summary>Who an order belongs to when nobody may know any more: no buyer has this number.</summary>
    public const long Nobody = 0;

    private readonly RetentionOptions _options = options.Value;

    /// <summary>No order up to this one has its buyer any more: they need not be looked through again.</summary>
    private long _forgottenUpTo;

    /// <summary>Takes everything that is due; returns how many rows that were.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var rows = 0;
        if (Before(_options.OrderBuyerDays) is { } buyersBefore)
        {
            rows += await ForgetBuyersAsync(buyersBefore, cancellationToken);
        }

        if (Before(_options.RejectionDays) is { } rejectionsBefore)
        {
            rows += await RepeatAsync(
                (context, token) => context.OrderRejections.Where(rejection => rejection.CreatedAt < rejectionsBefore)
                    .OrderBy(rejection => rejection.OrderId).Take(_options.BatchSizeMax).ExecuteDeleteAsync(token),
                cancellationToken);
        }

        if (Before(_options.AuditDays) is { } auditBefore)
        {
            rows += await RepeatAsync(
                (context, token) => context.OpsAudit.Where(entry => entry.At < auditBefore)
                    .OrderBy(entry => entry.Id).Take(_options.BatchSizeMax).ExecuteDeleteAsync(token),
                cancellationToken);
        }

        return rows;
    }

    private DateTime? Before(int days) => days > 0 ? time.GetUtcNow().UtcDateTime.AddDays(-days) : null;

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

    private async Task<int> ForgetBuyersAsync(DateTime before, CancellationToken cancellationToken)
    {
        var from = Volatile.Read(ref _forgottenUpTo);
        var rows = await RepeatAsync((context, token) => ForgetBuyersAsync(context, from, before, token), cancellationToken);
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var next = await context.Orders.Where(order => order.Id > from && order.UserId != Nobody)
            .OrderBy(order => order.Id).Select(order => order.Id).FirstOrDefaultAsync(cancellationToken);
        Volatile.Write(ref _forgottenUpTo, next > 0 ? next - 1 : from);
        return rows;
    }

    /// <summary>
    /// Of sales that are over: while one runs, its buyers' limits are counted by these columns. The items first: an order that still has
    /// its buyer is found again.
    /// </summary>
    private async Task<int> ForgetBuyersAsync(
        OrderingDbContext context, long from, DateTime before, CancellationToken cancellationToken)
    {
        var ids = await context.Orders
            .Where(order => order.Id > from && order.UserId != Nobody && order.CreatedAt < before
                && !order.Items.Any(item => context.SeckillSales.Any(sale => sale.SkuId == item.SkuId && sale.EndsAt >= before)))
            .OrderBy(order => order.Id).Take(_options.BatchSizeMax).Select(order => order.Id).ToListAsync(cancellationToken);
        if (ids.Count == 0)
        {
            return 0;
        }

        await context.OrderItems.Where(item => ids.Contains(item.OrderId))
            .ExecuteUpdateAsync(set => set.SetProperty(item => item.UserId, Nobody), cancellationToken);
        return await context.Orders.Where(order => ids.Contains(order.Id) && order.UserId != Nobody)
            .ExecuteUpdateAsync(
                set => set.SetProperty(order => order.UserId, Nobody).SetProperty(order => order.ClientOrderNo, (string?)null),
                cancellationToken);
    }
}
