using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.Api.Snapshots;

/// <summary>
/// The lock on a SKU's row that loading and comparing need. Somebody else may hold it for long (a forgotten transaction in a console),
/// which must cost that SKU alone: so the wait is short, and its end is an error of its own.
/// </summary>
internal static class SkuRowLock
{
    /// <summary>Longest wait for the row. A worker's transaction holds it for milliseconds.</summary>
    public const int WaitSecondsMax = 2;

    /// <summary>
    /// The row as it is now, locked until the transaction ends, or for this statement alone without one; null when there is none.
    /// </summary>
    /// <exception cref="SkuLockedException">Somebody has held the row for longer than <see cref="WaitSecondsMax"/>.</exception>
    public static async Task<ProductSku?> TakeAsync(OrderingDbContext context, long skuId, CancellationToken cancellationToken)
    {
        // Both statements on one connection; the pool takes the setting back with the connection.
        await context.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            await context.Database.ExecuteSqlAsync($"SET SESSION innodb_lock_wait_timeout = {WaitSecondsMax}", cancellationToken);
            var rows = await context.ProductSkus.FromSql($"SELECT * FROM product_skus WHERE id = {skuId} FOR UPDATE").AsNoTracking()
                .ToListAsync(cancellationToken);
            return rows.SingleOrDefault();
        }
        catch (Exception exception) when (IsLockWait(exception))
        {
            throw new SkuLockedException(skuId, exception);
        }
        finally
        {
            await context.Database.CloseConnectionAsync();
        }
    }

    private static bool IsLockWait(Exception exception) =>
        (exception as MySqlException ?? exception.InnerException as MySqlException) is { ErrorCode: MySqlErrorCode.LockWaitTimeout };
}

/// <summary>The SKU's row in MySQL has been locked by somebody else for longer than anything of ours takes.</summary>
internal sealed class SkuLockedException(long skuId, Exception cause) : TimeoutException(
    $"The row of SKU {skuId} in product_skus has been locked by another transaction for {SkuRowLock.WaitSecondsMax} s.", cause);
