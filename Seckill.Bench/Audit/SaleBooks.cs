using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Bench.Audit;

/// <summary>An order of the SKU as recorded in MySQL.</summary>
public readonly record struct BookedOrder(long OrderId, long UserId, int Quantity, bool Live, DateTime CreatedAt, string TraceId);

/// <summary>The state of one SKU in both stores at one moment.</summary>
/// <param name="Orders">All orders in MySQL, closed ones too.</param>
/// <param name="RejectedOrderIds">Orders that the worker refused, according to MySQL.</param>
/// <param name="MySqlStock">Units left in MySQL.</param>
/// <param name="RedisStock">Units left at the gate; null when Redis does not know the SKU.</param>
public sealed record SaleBooks(
    IReadOnlyList<BookedOrder> Orders, IReadOnlySet<long> RejectedOrderIds, long MySqlStock, long? RedisStock)
{
    /// <summary>Units in orders that were not closed.</summary>
    public long UnitsSold => Orders.Where(o => o.Live).Sum(o => (long)o.Quantity);
}

/// <summary>Reads the stores directly, bypassing the applications: the audit must not trust what it audits.</summary>
public sealed class SaleAuditor(Func<OrderingDbContext> contexts, StockLedger ledger)
{
    private const int PollDelayMs = 50;

    /// <exception cref="InvalidOperationException">MySQL has no such SKU.</exception>
    public async Task<SaleBooks> ReadAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        await using var context = contexts();
        // One snapshot: InnoDB's repeatable read, so that stock and orders belong to the same moment.
        await using var transaction = await context.Database.BeginTransactionAsync(
            System.Data.IsolationLevel.RepeatableRead, cancellationToken);
        var stock = await context.ProductSkus.Where(s => s.Id == sku.SkuId).Select(s => (int?)s.Stock)
            .SingleOrDefaultAsync(cancellationToken)
            ?? throw new InvalidOperationException($"MySQL has no SKU {sku.SkuId}.");
        var orders = await context.OrderItems.Where(i => i.SkuId == sku.SkuId)
            .Join(context.Orders, i => i.OrderId, o => o.Id, (i, o) => new { o.Id, o.UserId, i.Quantity, o.Status, o.CreatedAt, o.TraceId })
            .ToListAsync(cancellationToken);
        var rejected = await context.OrderRejections.Where(r => r.SkuId == sku.SkuId).Select(r => r.OrderId).ToListAsync(cancellationToken);
        var gate = await ledger.StockAsync([sku], cancellationToken);
        return new SaleBooks(
            [.. orders.Select(o => new BookedOrder(o.Id, o.UserId, o.Quantity, o.Status != OrderStatus.Closed, o.CreatedAt, o.TraceId))],
            rejected.ToHashSet(), stock, gate[sku.SkuId]);
    }

    /// <summary>
    /// Reads until the books no longer change and both stocks agree, or until the deadline: settling follows the commit, so the gate may
    /// be a moment behind.
    /// </summary>
    public async Task<SaleBooks> ReadWhenQuietAsync(SkuKeys sku, int deadlineMs, CancellationToken cancellationToken)
    {
        var started = Environment.TickCount64;
        SaleBooks? before = null;
        while (true)
        {
            var late = Environment.TickCount64 - started > deadlineMs;
            try
            {
                var now = await ReadAsync(sku, cancellationToken);
                if (late
                    || (before is not null && now.MySqlStock == now.RedisStock && now.MySqlStock == before.MySqlStock
                        && now.Orders.Count == before.Orders.Count))
                {
                    return now;
                }

                before = now;
            }
            catch (Exception exception) when (!late
                && exception is MySqlException or RedisException or InvalidOperationException { InnerException: MySqlException })
            {
                // A server that was killed during the sale is coming back.
            }

            await Task.Delay(PollDelayMs, cancellationToken);
        }
    }
}
