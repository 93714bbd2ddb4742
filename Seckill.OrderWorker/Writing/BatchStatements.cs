using System.Data.Common;
using System.Text;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Consuming;

namespace Seckill.OrderWorker.Writing;

/// <summary>The SQL of a batch; the same on MySQL and MariaDB. Every value is a parameter, in the order of the question marks.</summary>
internal static class BatchStatements
{
    /// <summary>
    /// Size from which a command is sent and the next one begun, bytes; servers refuse packets above 16 MiB (MariaDB) or 64 MiB (MySQL) by
    /// default.
    /// </summary>
    private const int CommandBytesMax = 4 * 1_048_576;

    /// <summary>The fixed part of one order's two rows with their punctuation, bytes, generously.</summary>
    private const int RowBytes = 600;

    private const int BytesPerCharacterMax = 4;

    private const string InsertOrders =
        """
        INSERT INTO orders (id, order_sn, user_id, client_order_no, status, total_amount, pay_amount, gate_epoch, trace_id,
          reserved_at, picked_up_at, created_at, expires_at) VALUES
        """;

    private const string InsertItems =
        "INSERT INTO order_items (order_id, user_id, product_id, sku_id, title, image, price, quantity, attrs) VALUES";

    private const string InsertRejections =
        "INSERT INTO order_rejections (order_id, user_id, sku_id, quantity, client_order_no, reason, trace_id, created_at) VALUES";

    /// <summary>
    /// Locks the SKUs and then, in statements of their own, looks up the orders: under READ COMMITTED each statement sees what was
    /// committed before it began, so what another worker wrote under the same lock is seen.
    /// </summary>
    public static MySqlCommand LockAndLookUp(IReadOnlyList<OrderInHand> orders)
    {
        var command = new MySqlCommand();
        var sql = new StringBuilder("SELECT id, product_id, title, price, stock, image, attrs, gate_epoch FROM product_skus WHERE id IN (");
        AddList(orders.Select(order => order.Message.SkuId).Distinct(), sql, command);
        sql.Append(") ORDER BY id FOR UPDATE;\nSELECT id, order_sn, user_id, gate_epoch FROM orders WHERE id IN (");
        AddList(orders.Select(order => order.OrderId), sql, command);
        sql.Append(");\nSELECT order_id, reason FROM order_rejections WHERE order_id IN (");
        AddList(orders.Select(order => order.OrderId), sql, command);
        sql.Append(");\nSELECT id, order_sn, user_id, gate_epoch, client_order_no FROM orders WHERE (user_id, client_order_no) IN (");
        var clicks = 0;
        foreach (var order in orders.Where(order => order.ClickNo is not null))
        {
            sql.Append(clicks++ == 0 ? "(?,?)" : ",(?,?)");
            Add(command, order.Message.UserId);
            Add(command, order.ClickNo);
        }

        // An empty list is no SQL; nobody has the user NULL.
        sql.Append(clicks == 0 ? "(NULL,NULL));" : ");");
        command.CommandText = sql.ToString();
        return command;
    }

    /// <summary>Reads the answers to <see cref="LockAndLookUp"/>.</summary>
    public static async Task<BatchFacts> ReadFactsAsync(DbDataReader reader, CancellationToken cancellationToken)
    {
        var facts = new BatchFacts();
        while (await reader.ReadAsync(cancellationToken))
        {
            var sku = new SkuRow(
                reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2), reader.GetDecimal(3), reader.GetInt32(4), reader.GetString(5),
                reader.GetString(6), reader.GetInt64(7));
            facts.Skus.Add(sku.Id, sku);
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            facts.OrdersById.Add(reader.GetInt64(0), WrittenOrderOf(reader));
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            facts.RejectionsById.Add(reader.GetInt64(0), reader.GetString(1));
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            facts.OrdersByClick.Add((reader.GetInt64(2), reader.GetString(4)), WrittenOrderOf(reader));
        }

        return facts;
    }

    /// <summary>
    /// Inserts and the stock's UPDATE, in one command unless that would grow too large; none when there is nothing to write.
    /// </summary>
    public static IEnumerable<MySqlCommand> Write(BatchPlan plan, DateTime now, TimeSpan paymentWindow)
    {
        var at = 0;
        while (at < plan.Accepted.Count)
        {
            var chunk = ChunkFrom(plan.Accepted, at);
            at += chunk.Count;
            var command = new MySqlCommand();
            var sql = new StringBuilder(chunk.Count * 64);
            AddOrders(chunk, now, paymentWindow, sql, command);
            AddItems(chunk, sql, command);
            if (at == plan.Accepted.Count)
            {
                AddStock(plan.Taken, sql, command);
            }

            command.CommandText = sql.ToString();
            yield return command;
        }

        if (plan.Rejected.Count > 0)
        {
            yield return Rejections(plan.Rejected, now);
        }
    }

    private static List<(OrderInHand Order, SkuRow Sku)> ChunkFrom(List<(OrderInHand Order, SkuRow Sku)> accepted, int start)
    {
        var bytes = 0;
        var end = start;
        while (end < accepted.Count && (end == start || bytes < CommandBytesMax))
        {
            var sku = accepted[end++].Sku;
            bytes += RowBytes + (BytesPerCharacterMax * (sku.Title.Length + sku.Image.Length + sku.Attrs.Length));
        }

        return accepted.GetRange(start, end - start);
    }

    private static void AddOrders(
        List<(OrderInHand Order, SkuRow Sku)> accepted, DateTime now, TimeSpan paymentWindow, StringBuilder sql, MySqlCommand command)
    {
        sql.Append(InsertOrders);
        for (var i = 0; i < accepted.Count; i++)
        {
            var (order, sku) = accepted[i];
            var amount = sku.Price * order.Message.Quantity;
            sql.Append(i == 0 ? "\n" : ",\n").Append("(?,?,?,?,?,?,?,?,?,?,?,?,?)");
            Add(command, order.OrderId);
            Add(command, order.OrderId.ToString(System.Globalization.CultureInfo.InvariantCulture));
            Add(command, order.Message.UserId);
            Add(command, order.ClickNo);
            Add(command, (int)OrderStatus.PendingPayment);
            Add(command, amount);
            Add(command, amount);
            Add(command, sku.GateEpoch);
            Add(command, TraceIdOf(order));
            Add(command, order.ReservedAt.UtcDateTime);
            Add(command, order.Delivery.ReceivedAt.UtcDateTime);
            Add(command, now);
            Add(command, now + paymentWindow);
        }

        sql.Append(";\n");
    }

    private static void AddItems(List<(OrderInHand Order, SkuRow Sku)> accepted, StringBuilder sql, MySqlCommand command)
    {
        sql.Append(InsertItems);
        for (var i = 0; i < accepted.Count; i++)
        {
            var (order, sku) = accepted[i];
            sql.Append(i == 0 ? "\n" : ",\n").Append("(?,?,?,?,?,?,?,?,?)");
            Add(command, order.OrderId);
            Add(command, order.Message.UserId);
            Add(command, sku.ProductId);
            Add(command, sku.Id);
            Add(command, sku.Title);
            Add(command, sku.Image);
            Add(command, sku.Price);
            Add(command, order.Message.Quantity);
            Add(command, sku.Attrs);
        }

        sql.Append(";\n");
    }

    private static void AddStock(SortedDictionary<long, int> taken, StringBuilder sql, MySqlCommand command)
    {
        sql.Append("UPDATE product_skus SET stock = stock - CASE id");
        foreach (var (skuId, units) in taken)
        {
            sql.Append(" WHEN ? THEN ?");
            Add(command, skuId);
            Add(command, units);
        }

        sql.Append(" END WHERE id IN (");
        AddList(taken.Keys, sql, command);
        sql.Append(");\n");
    }

    private static MySqlCommand Rejections(List<(OrderInHand Order, string Reason)> rejected, DateTime now)
    {
        var command = new MySqlCommand();
        var sql = new StringBuilder(InsertRejections);
        for (var i = 0; i < rejected.Count; i++)
        {
            var (order, reason) = rejected[i];
            sql.Append(i == 0 ? "\n" : ",\n").Append("(?,?,?,?,?,?,?,?)");
            Add(command, order.OrderId);
            Add(command, order.Message.UserId);
            Add(command, order.Message.SkuId);
            Add(command, order.Message.Quantity);
            Add(command, order.ClickNo);
            Add(command, reason);
            Add(command, TraceIdOf(order));
            Add(command, now);
        }

        command.CommandText = sql.ToString();
        return command;
    }

    private static WrittenOrder WrittenOrderOf(DbDataReader reader) =>
        new(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3));

    private static string TraceIdOf(OrderInHand order) =>
        order.Trace == default ? "" : order.Trace.TraceId.ToHexString();

    private static void AddList(IEnumerable<long> values, StringBuilder sql, MySqlCommand command)
    {
        var count = 0;
        foreach (var value in values)
        {
            sql.Append(count++ == 0 ? "?" : ",?");
            Add(command, value);
        }
    }

    private static void Add(MySqlCommand command, object? value) =>
        command.Parameters.Add(new MySqlParameter { Value = value ?? DBNull.Value });
}
