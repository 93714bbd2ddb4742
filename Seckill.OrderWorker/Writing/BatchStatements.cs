using System.Data.Common;
using System.Globalization;
using System.Text;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Consuming;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// The SQL of a batch; the same on MySQL and MariaDB. Numbers, times and trace ids, which cannot hold anything else, stand in the text;
/// strings are parameters, those of a SKU once for all its orders. With a parameter object for each of 22 columns, and the look-up of every order,
/// the worker reached 0.38 of what the insert alone does; without them 0.62 to 0.81.
/// </summary>
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

    private const string TimeFormat = "yyyy-MM-dd HH:mm:ss.ffffff";

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
    /// Locks the SKUs and then, in statements of their own, looks up the refusals and, if asked, the orders: under READ COMMITTED each statement
    /// sees what was committed before it began, so what another worker wrote under the same lock is seen.
    /// </summary>
    public static MySqlCommand LockAndLookUp(IReadOnlyList<OrderInHand> orders, bool withOrders)
    {
        var command = new MySqlCommand();
        var sql = new StringBuilder("SELECT id, product_id, title, price, stock, image, attrs, gate_epoch FROM product_skus WHERE id IN (");
        AddList(orders.Select(order => order.Message.SkuId).Distinct(), sql);
        sql.Append(") ORDER BY id FOR UPDATE;\nSELECT order_id, reason FROM order_rejections WHERE order_id IN (");
        AddList(orders.Select(order => order.OrderId), sql);
        sql.Append(");\n");
        if (withOrders)
        {
            AddOrderLookUp(orders, sql, command);
        }

        command.CommandText = sql.ToString();
        return command;
    }

    private static void AddOrderLookUp(IReadOnlyList<OrderInHand> orders, StringBuilder sql, MySqlCommand command)
    {
        sql.Append("SELECT id, order_sn, user_id, gate_epoch FROM orders WHERE id IN (");
        AddList(orders.Select(order => order.OrderId), sql);
        sql.Append(");\nSELECT id, order_sn, user_id, gate_epoch, client_order_no FROM orders WHERE (user_id, client_order_no) IN (");
        var clicks = 0;
        foreach (var order in orders.Where(order => order.ClickNo is not null))
        {
            sql.Append(clicks++ == 0 ? "(" : ",(").Append(order.Message.UserId).Append(',').Append(Parameter(command, order.ClickNo!)).Append(')');
        }

        // An empty list is no SQL; nobody has the user NULL.
        sql.Append(clicks == 0 ? "(NULL,NULL));" : ");");
    }

    /// <summary>Reads the answers to <see cref="LockAndLookUp"/>.</summary>
    public static async Task<BatchFacts> ReadFactsAsync(DbDataReader reader, bool withOrders, CancellationToken cancellationToken)
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
            facts.RejectionsById.Add(reader.GetInt64(0), reader.GetString(1));
        }

        if (!withOrders)
        {
            return facts;
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            facts.OrdersById.Add(reader.GetInt64(0), WrittenOrderOf(reader));
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
            var sql = new StringBuilder(chunk.Count * RowBytes);
            AddOrders(chunk, now, paymentWindow, sql, command);
            AddItems(chunk, sql, command);
            if (at == plan.Accepted.Count)
            {
                AddStock(plan.Taken, sql);
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
        var (createdAt, expiresAt) = (Text(now), Text(now + paymentWindow));
        // Orders of one script call share their time, those of one message theirs, and most have the amount of the one before:
        // formatting them once takes a quarter to a third off building the statements, which happens while the SKU's row is locked.
        var (reservedAt, pickedUpAt) = (new LastText(), new LastText());
        var (amounts, amountsSku, amountsQuantity) = ("", (SkuRow?)null, 0);
        for (var i = 0; i < accepted.Count; i++)
        {
            var (order, sku) = accepted[i];
            if (!ReferenceEquals(sku, amountsSku) || order.Message.Quantity != amountsQuantity)
            {
                (amountsSku, amountsQuantity) = (sku, order.Message.Quantity);
                var amount = sku.Price * amountsQuantity;
                amounts = string.Create(CultureInfo.InvariantCulture, $",{amount},{amount},{sku.GateEpoch},'");
            }

            sql.Append(i == 0 ? "\n(" : ",\n(").Append(order.OrderId).Append(",'").Append(order.OrderId).Append("',").Append(order.Message.UserId)
                .Append(',').Append(ClickOf(order, command)).Append(',').Append((int)OrderStatus.PendingPayment)
                .Append(amounts).Append(TraceIdOf(order)).Append("','")
                .Append(reservedAt.Of(order.ReservedAt.UtcDateTime)).Append("','").Append(pickedUpAt.Of(order.Delivery.ReceivedAt.UtcDateTime))
                .Append("','").Append(createdAt).Append("','").Append(expiresAt).Append("')");
        }

        sql.Append(";\n");
    }

    private static void AddItems(List<(OrderInHand Order, SkuRow Sku)> accepted, StringBuilder sql, MySqlCommand command)
    {
        sql.Append(InsertItems);
        var snapshots = new Dictionary<long, (string Before, string After)>();
        for (var i = 0; i < accepted.Count; i++)
        {
            var (order, sku) = accepted[i];
            if (!snapshots.TryGetValue(sku.Id, out var snapshot))
            {
                snapshot = (
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{sku.ProductId},{sku.Id},{Parameter(command, sku.Title)},{Parameter(command, sku.Image)},{sku.Price},"),
                    $",{Parameter(command, sku.Attrs)})");
                snapshots.Add(sku.Id, snapshot);
            }

            sql.Append(i == 0 ? "\n(" : ",\n(").Append(order.OrderId).Append(',').Append(order.Message.UserId).Append(',')
                .Append(snapshot.Before).Append(order.Message.Quantity).Append(snapshot.After);
        }

        sql.Append(";\n");
    }

    private static void AddStock(SortedDictionary<long, int> taken, StringBuilder sql)
    {
        sql.Append("UPDATE product_skus SET stock = stock - CASE id");
        foreach (var (skuId, units) in taken)
        {
            sql.Append(CultureInfo.InvariantCulture, $" WHEN {skuId} THEN {units}");
        }

        sql.Append(" END WHERE id IN (");
        AddList(taken.Keys, sql);
        sql.Append(");\n");
    }

    private static MySqlCommand Rejections(List<(OrderInHand Order, string Reason)> rejected, DateTime now)
    {
        var command = new MySqlCommand();
        var sql = new StringBuilder(InsertRejections);
        for (var i = 0; i < rejected.Count; i++)
        {
            var (order, reason) = rejected[i];
            sql.Append(i == 0 ? "\n" : ",\n")
                .Append(CultureInfo.InvariantCulture, $"({order.OrderId},{order.Message.UserId},{order.Message.SkuId},{order.Message.Quantity},")
                .Append(ClickOf(order, command)).Append(',').Append(Parameter(command, reason)).Append(",'").Append(TraceIdOf(order)).Append("','")
                .Append(Text(now)).Append("')");
        }

        command.CommandText = sql.ToString();
        return command;
    }

    private static WrittenOrder WrittenOrderOf(DbDataReader reader) =>
        new(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3));

    private static string TraceIdOf(OrderInHand order) =>
        order.Trace == default ? "" : order.Trace.TraceId.ToHexString();

    private static string Text(DateTime time) => time.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static string ClickOf(OrderInHand order, MySqlCommand command) => order.ClickNo is null ? "NULL" : Parameter(command, order.ClickNo);

    private static void AddList(IEnumerable<long> values, StringBuilder sql)
    {
        var count = 0;
        foreach (var value in values)
        {
            sql.Append(count++ == 0 ? "" : ",").Append(value);
        }
    }

    /// <summary>Adds a string and returns its name for the text.</summary>
    private static string Parameter(MySqlCommand command, string value)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"@p{command.Parameters.Count}");
        command.Parameters.Add(new MySqlParameter(name, value));
        return name;
    }

    /// <summary>A column's time as text, remembered from one row to the next.</summary>
    private sealed class LastText
    {
        private DateTime _time;
        private string _text = Text(default);

        public string Of(DateTime time)
        {
            if (time != _time)
            {
                (_time, _text) = (time, Text(time));
            }

            return _text;
        }
    }
}
