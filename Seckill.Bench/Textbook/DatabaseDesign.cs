using System.Data;
using System.Diagnostics;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Store;

namespace Seckill.Bench.Textbook;

/// <summary>
/// One purchase as one transaction in MySQL: as the tutorial's worker does it for each message, and in three ways inside the request.
/// </summary>
internal static class DatabaseDesign
{
    public const string VersionTable =
        "CREATE TABLE IF NOT EXISTS textbook_sku_versions (sku_id BIGINT PRIMARY KEY, version BIGINT NOT NULL DEFAULT 0)";

    /// <summary>
    /// Losers of a deadlock or of a race for the version retry for as long as a buyer would wait. The number of attempts has no limit:
    /// among many buyers, one would always exceed it, and the resulting 500 would end the benchmark.
    /// </summary>
    private const int TryForMsMax = 10_000;

    /// <summary>
    /// The environment variable with this process's Snowflake node. No gate leases it while a benchmark runs, because gates
    /// take the lowest ones. Each process of a benchmark has its own, because one may still write orders while the next one runs.
    /// </summary>
    public const string IdNode = "SECKILL_BENCH_ID_NODE";

    private static readonly SnowflakeSequence Ids = new(
        int.Parse(Environment.GetEnvironmentVariable(IdNode) ?? $"{SnowflakeSequence.NodeMax}", CultureInfo.InvariantCulture),
        TimeProvider.System);

    /// <exception cref="InvalidOperationException">The purchase lost every race for <see cref="TryForMsMax"/> milliseconds.</exception>
    public static async Task<bool> BuyAsync(
        string design, OrderingDbContext database, long userId, long skuId, int quantity, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                database.ChangeTracker.Clear();
                await using var transaction = await database.Database.BeginTransactionAsync(
                    IsolationLevel.ReadCommitted, cancellationToken);
                var sku = design switch
                {
                    "conditional-update" => await ConditionalUpdateAsync(database, skuId, quantity, cancellationToken),
                    "version-column" => await VersionColumnAsync(database, skuId, quantity, cancellationToken),
                    _ => await ForUpdateAsync(database, skuId, quantity, cancellationToken),
                };
                if (sku is null)
                {
                    return false;
                }

                database.Orders.Add(OrderOf(sku, userId, quantity));
                await database.SaveChangesAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                return true;
            }
            catch (Exception exception) when (Stopwatch.GetElapsedTime(started).TotalMilliseconds < TryForMsMax
                && (
                    exception as MySqlException
                        ?? exception.InnerException as MySqlException) is { ErrorCode: MySqlErrorCode.LockDeadlock })
            {
                // The loser of a deadlock retries, as in any shop's code.
            }
        }
    }

    /// <summary>The tutorial's own: lock, read, check, write the new stock.</summary>
    private static async Task<ProductSku?> ForUpdateAsync(
        OrderingDbContext database, long skuId, int quantity, CancellationToken cancellationToken)
    {
        var sku = await database.ProductSkus.FromSql($"SELECT * FROM product_skus WHERE id = {skuId} FOR UPDATE")
            .SingleOrDefaultAsync(cancellationToken);
        if (sku is null || sku.Stock < quantity)
        {
            return null;
        }

        sku.Stock -= quantity;
        return sku;
    }

    private static async Task<ProductSku?> ConditionalUpdateAsync(
        OrderingDbContext database, long skuId, int quantity, CancellationToken cancellationToken)
    {
        var rows = await database.Database.ExecuteSqlAsync(
            $"UPDATE product_skus SET stock = stock - {quantity} WHERE id = {skuId} AND stock >= {quantity}", cancellationToken);
        return rows == 0 ? null : await database.ProductSkus.AsNoTracking().SingleAsync(sku => sku.Id == skuId, cancellationToken);
    }

    private static async Task<ProductSku?> VersionColumnAsync(
        OrderingDbContext database, long skuId, int quantity, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < TryForMsMax)
        {
            var version = await database.Database
                .SqlQuery<long>($"SELECT version AS Value FROM textbook_sku_versions WHERE sku_id = {skuId}")
                .SingleAsync(cancellationToken);
            var sku = await database.ProductSkus.AsNoTracking().SingleAsync(s => s.Id == skuId, cancellationToken);
            if (sku.Stock < quantity)
            {
                return null;
            }

            var rows = await database.Database.ExecuteSqlAsync(
                $"""
                UPDATE product_skus s JOIN textbook_sku_versions v ON v.sku_id = s.id
                SET s.stock = s.stock - {quantity}, v.version = v.version + 1
                WHERE s.id = {skuId} AND v.version = {version} AND s.stock >= {quantity}
                """,
                cancellationToken);
            if (rows > 0)
            {
                return sku;
            }
        }

        throw new InvalidOperationException($"SKU {skuId}: every attempt lost its race for {TryForMsMax} ms.");
    }

    private static Order OrderOf(ProductSku sku, long userId, int quantity)
    {
        var (id, now) = (Ids.Next(), DateTime.UtcNow);
        var order = new Order
        {
            Id = id,
            OrderSn = id.ToString(CultureInfo.InvariantCulture),
            UserId = userId,
            Status = OrderStatus.PendingPayment,
            TotalAmount = sku.Price * quantity,
            PayAmount = sku.Price * quantity,
            TraceId = "",
            ReservedAt = now,
            PickedUpAt = now,
            CreatedAt = now,
            ExpiresAt = now.AddMinutes(15),
        };
        order.Items.Add(new OrderItem
        {
            OrderId = id,
            UserId = userId,
            ProductId = sku.ProductId,
            SkuId = sku.Id,
            Title = sku.Title,
            Image = sku.Image,
            Price = sku.Price,
            Quantity = quantity,
            Attrs = sku.Attrs,
        });
        return order;
    }
}
