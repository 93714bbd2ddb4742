using System.Data.Common;
using System.Text;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>The queries of a batch before it decides; the same on MySQL and MariaDB.</summary>
internal static class BatchLookUp
{
    /// <summary>
    /// Orders and items are inserted together, so foreign keys need no check. Each check would lock its order's row, and a page split under
    /// such locks blocks all other inserts at the end of the table until the commit. A row locked by another client must not hold up a
    /// batch for the server's default time-out, which is most of a minute. Each value in a long list must be looked up in the index,
    /// because the server's statistics date from before the sale. A session that stays silent belongs to a frozen worker or to a host that
    /// is gone, and must not keep a SKU's row locked. The settings end when the pool hands the connection out again, because it resets it
    /// first; a connection that the server has ended meanwhile is replaced.
    /// </summary>
    public const string SessionSettings =
        "SET foreign_key_checks = 0, eq_range_index_dive_limit = 0, innodb_lock_wait_timeout = " + LockWaitSecondsMax
        + ", wait_timeout = " + IdleSecondsMax + ";\n";

    /// <summary>
    /// Longest silence of a session between two statements; then the server ends it and rolls back. A worker is silent only while it
    /// decides, for milliseconds: the bound is far above any pause of a process that is still alive. A commit that comes too late fails,
    /// and the batch is decided again.
    /// </summary>
    public const string IdleSecondsMax = "60";

    private const string LockWaitSecondsMax = "3";

    private const string SelectSkus =
        SessionSettings + "SELECT id, product_id, title, price, stock, image, attrs, gate_epoch, "
        + "(SELECT GREATEST(limit_per_user, COALESCE(limit_highest, 0)) FROM seckill_sales WHERE sku_id = product_skus.id) "
        + "FROM product_skus WHERE id IN (";

    private const string SelectRejections = "SELECT order_id, reason, user_id, client_order_no, sku_id, quantity ";

    /// <summary>
    /// Forces the index on SKU and buyer for order lines. While the statistics date from before the sale, the server may prefer a scan of
    /// the whole table, which would then run under the SKU's lock.
    /// </summary>
    public const string ByBuyer = " FORCE INDEX (ix_order_items_sku_user) ";

    /// <summary>
    /// Whether a gate reserved the order: without a reservation, <see cref="OrderInHand.ReservedAt"/> is the time of the receipt, and both
    /// columns are the same.
    /// </summary>
    private const string Reserved = "o.reserved_at <> o.picked_up_at";

    private const string SelectOrders =
        "SELECT o.id, o.order_sn, o.user_id, o.gate_epoch, i.sku_id, COALESCE(i.quantity, 0), o.client_order_no, "
        + Reserved + " FROM orders o "
        + "LEFT JOIN order_items i ON i.order_id = o.id ";

    /// <summary>
    /// Reads the SKUs as they are now, without a lock: decisions made with them hold only if the write finds them unchanged.
    /// </summary>
    public static MySqlCommand Skus(IReadOnlyList<OrderInHand> orders) => new(SkusText(orders).Append(')').ToString());

    /// <summary>
    /// Locks the SKUs and then, in separate statements, looks up the refusals and the orders. Under READ COMMITTED each statement sees
    /// everything committed before it began, so rows that another worker wrote under the same lock are seen.
    /// </summary>
    public static MySqlCommand LockAndLookUp(IReadOnlyList<OrderInHand> orders)
    {
        var command = new MySqlCommand();
        var sql = SkusText(orders)
            .Append(") ORDER BY id FOR UPDATE;\n" + SelectRejections + "FROM order_rejections WHERE order_id IN (")
            .AppendList(orders.Select(order => order.OrderId)).Append(')');
        AddRefusedClicks(orders, " UNION ALL " + SelectRejections, sql, command);
        sql.Append(";\n" + SelectOrders + "WHERE o.id IN (")
            .AppendList(orders.Select(order => order.OrderId))
            .Append(");\n" + SelectOrders + "WHERE (o.user_id, o.client_order_no) IN (");
        var clicks = 0;
        foreach (var order in orders.Where(order => order.ClickNo is not null))
        {
            sql.Append(clicks++ == 0 ? "(" : ",(").Append(order.Message.UserId).Append(',').Append(command.Parameter(order.ClickNo!))
                .Append(')');
        }

        // An empty list is not valid SQL; no user has the id NULL.
        sql.Append(clicks == 0 ? "(NULL,NULL));" : ");");
        sql.Append("\nSELECT i.sku_id, i.user_id, SUM(i.quantity) FROM order_items i" + ByBuyer)
            .Append("STRAIGHT_JOIN orders o ON o.id = i.order_id WHERE o.status <> ").Append((int)OrderStatus.Closed).Append(" AND (");
        AddBuyers(orders, sql).Append(") GROUP BY i.sku_id, i.user_id;");
        command.CommandText = sql.ToString();
        return command;
    }

    /// <summary>
    /// Adds a query for refusals of the same clicks under other ids: another producer's order gets a new id each time its message is
    /// delivered. The gate itself uses one id for each click.
    /// </summary>
    public static void AddRefusedClicks(IEnumerable<OrderInHand> orders, string select, StringBuilder sql, MySqlCommand command)
    {
        var clicks = orders.Where(order => !order.FromGate && order.ClickNo is not null).ToList();
        if (clicks.Count == 0)
        {
            return;
        }

        // By buyer first, because that column has an index.
        sql.Append(select).Append("FROM order_rejections WHERE user_id IN (").AppendList(clicks.Select(order => order.Message.UserId))
            .Append(") AND (user_id, client_order_no) IN (");
        for (var i = 0; i < clicks.Count; i++)
        {
            sql.Append(i == 0 ? "(" : ",(").Append(clicks[i].Message.UserId).Append(',').Append(command.Parameter(clicks[i].ClickNo!))
                .Append(')');
        }

        sql.Append(')');
    }

    /// <summary>Reads the answer to <see cref="Skus"/>.</summary>
    public static async Task<BatchFacts> ReadSkusAsync(DbDataReader reader, CancellationToken cancellationToken)
    {
        var facts = new BatchFacts();
        while (await reader.ReadAsync(cancellationToken))
        {
            var sku = new SkuRow(
                reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2), reader.GetDecimal(3), reader.GetInt32(4), reader.GetString(5),
                reader.GetString(6), reader.GetInt64(7))
            {
                LimitPerUser = reader.IsDBNull(8) ? null : reader.GetInt32(8),
            };
            facts.Skus.Add(sku.Id, sku);
        }

        return facts;
    }

    /// <summary>Reads the answers to <see cref="LockAndLookUp"/>.</summary>
    public static async Task<BatchFacts> ReadFactsAsync(DbDataReader reader, CancellationToken cancellationToken)
    {
        var facts = await ReadSkusAsync(reader, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var refused = new RefusedOrder(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(4), reader.GetInt32(5));
            facts.RejectionsById.TryAdd(refused.Id, refused.Reason);
            if (!reader.IsDBNull(3))
            {
                facts.RejectionsByClick.TryAdd((reader.GetInt64(2), reader.GetString(3)), refused);
            }
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            // Keeps the first line of an order with several lines; only other programs write such orders.
            facts.OrdersById.TryAdd(reader.GetInt64(0), WrittenOrderOf(reader));
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            facts.OrdersByClick.TryAdd((reader.GetInt64(2), reader.GetString(6)), WrittenOrderOf(reader));
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            facts.UnitsHeld.Add((reader.GetInt64(0), reader.GetInt64(1)), reader.GetInt64(2));
        }

        return facts;
    }

    /// <summary>
    /// The condition that finds the order lines (i) of the buyers bound by the purchase limit: by ranges of the index on SKU and buyer, on
    /// both servers. Never empty: no SKU has the id NULL.
    /// </summary>
    internal static StringBuilder AddBuyers(IEnumerable<OrderInHand> orders, StringBuilder sql)
    {
        sql.Append("i.sku_id = NULL");
        foreach (var sku in orders.Where(order => order.Message.Epoch is not null).GroupBy(order => order.Message.SkuId))
        {
            sql.Append(" OR i.sku_id = ").Append(sku.Key).Append(" AND i.user_id IN (")
                .AppendList(sku.Select(order => order.Message.UserId).Distinct()).Append(')');
        }

        return sql;
    }

    private static StringBuilder SkusText(IReadOnlyList<OrderInHand> orders) =>
        new StringBuilder(SelectSkus).AppendList(orders.Select(order => order.Message.SkuId).Distinct());

    private static WrittenOrder WrittenOrderOf(DbDataReader reader) =>
        new(
            reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3), reader.IsDBNull(4) ? null : reader.GetInt64(4),
            reader.GetInt32(5), reader.GetInt64(7) != 0);
}
