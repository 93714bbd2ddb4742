using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>Orders of one unit written to MySQL without a worker; the SKU's stock does not change.</summary>
internal static class StoredOrders
{
    /// <summary>Many orders, the nth of buyer n.</summary>
    public static Task AddAsync(OrderingDbContext store, long skuId, long firstId, int count)
    {
        const string digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 "
            + "UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
        var numbers = $"(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d AS n FROM {digits} a, {digits} b, "
            + $"{digits} c, {digits} e, {digits} f, {digits} g) numbers WHERE n < {count}";
        return InsertAsync(store, skuId, $"{firstId} + n", "n", numbers);
    }

    /// <summary>One order of one unit.</summary>
    public static Task AddOneAsync(OrderingDbContext store, long skuId, long orderId, long userId) =>
        InsertAsync(store, skuId, $"{orderId}", $"{userId}", "(SELECT 1 AS n) numbers");

    private static async Task InsertAsync(OrderingDbContext store, long skuId, string orderId, string userId, string numbers)
    {
#pragma warning disable EF1002 // No value comes from outside.
        await store.Database.ExecuteSqlRawAsync(
            $"""
            INSERT INTO orders (id, order_sn, user_id, status, total_amount, pay_amount, gate_epoch, trace_id, reserved_at, picked_up_at,
                created_at, expires_at)
            SELECT {orderId}, CONCAT('SN', {orderId}), {userId}, 0, 1, 1, 1, '', UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(),
                UTC_TIMESTAMP() FROM {numbers}
            """, TestContext.Current.CancellationToken);
        await store.Database.ExecuteSqlRawAsync(
            $"""
            INSERT INTO order_items (order_id, user_id, product_id, sku_id, title, image, price, quantity, attrs)
            SELECT {orderId}, {userId}, 1, {skuId}, '', '', 1, 1, '' FROM {numbers}
            """, TestContext.Current.CancellationToken);
#pragma warning restore EF1002
    }
}
