using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.Api.Snapshots;

/// <summary>
/// The lock on a SKU's row, under which nothing else decides about the SKU. Another session may hold it for a long time (a forgotten
/// transaction in a console), which must affect only that SKU. So the wait is short, and its time-out has its own exception.
/// </summary>
internal static class SkuRowLock
{
    /// <summary>Longest wait for the row. A worker's transaction holds it for milliseconds.</summary>
    public const int WaitSecondsMax = 2;

    /// <summary>
    /// Longest silence of the session that holds the row; then the server ends it and rolls back, because its process is frozen or its host
    /// is gone. Between two statements a load calls Redis many times, and waits for the result of a slow call; the bound is above what that
    /// takes. A load that is cut off all the same leaves two different loads, like one that died, and is repeated.
    /// </summary>
    public const int IdleSecondsMax = 60;

    /// <summary>
    /// The row as it is now, locked until the transaction ends, or for this statement alone without one; null when there is none.
    /// </summary>
    /// <exception cref="SkuLockedException">Another session has held the row for longer than <see cref="WaitSecondsMax"/>.</exception>
    public static async Task<ProductSku?> TakeAsync(OrderingDbContext context, long skuId, CancellationToken cancellationToken)
    {
        // Both statements on one connection; the pool resets the settings before it hands the connection out again.
        await context.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            await context.Database.ExecuteSqlAsync(
                $"SET SESSION innodb_lock_wait_timeout = {WaitSecondsMax}, wait_timeout = {IdleSecondsMax}", cancellationToken);
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

/// <summary>Another session has locked the SKU's row in MySQL for longer than this system ever does.</summary>
internal sealed class SkuLockedException(long skuId, Exception cause) : TimeoutException(
    $"The row of SKU {skuId} in product_skus has been locked by another transaction for {SkuRowLock.WaitSecondsMax} s.", cause);
