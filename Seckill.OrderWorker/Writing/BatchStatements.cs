using System.Globalization;
using System.Text;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// The SQL of a batch; the same on MySQL and MariaDB. Numbers, times and trace ids are written into the text, since they cannot contain
/// SQL. Strings are parameters; a SKU's strings are shared by all its orders, because a parameter object for each column of each order
/// costs more than the insert.
/// </summary>
internal static class BatchStatements
{
    /// <summary>Size at which a command is sent and the next one started, bytes, if the server accepts that much.</summary>
    public const int CommandBytesMax = 4 * 1_048_576;

    /// <summary>The fixed part of one order's two rows with punctuation, bytes; a generous estimate.</summary>
    private const int RowBytes = 600;

    private const int BytesPerCharacterMax = 4;

    /// <summary>The error of a failed guard, ER_SUBQUERY_NO_1_ROW; no other statement here has a subquery.</summary>
    public const MySqlErrorCode GuardFailed = (MySqlErrorCode)1242;

    /// <summary>UTC by the server's clock, since the workers' clocks may differ.</summary>
    private const string Now = "UTC_TIMESTAMP(6)";

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
    /// Inserts and the stock's UPDATE, in one command unless it would grow too large; none when there is nothing to write. With
    /// <paramref name="guarded"/>, for rows that are not locked yet, the last command also commits. It fails with
    /// <see cref="GuardFailed"/> instead if a SKU has too little stock or another epoch than the one decided with, if a buyer would be
    /// above the limit (closed orders count too), or if one of the orders has been refused meanwhile. The server does all this in one
    /// command, because otherwise the SKU's lock would be held until this process is scheduled.
    /// </summary>
    public static IEnumerable<MySqlCommand> Write(BatchPlan plan, TimeSpan paymentWindow, bool guarded, int commandBytesMax)
    {
        var at = 0;
        while (at < plan.Accepted.Count)
        {
            var chunk = ChunkFrom(plan.Accepted, at, commandBytesMax);
            at += chunk.Count;
            var command = new MySqlCommand();
            var sql = new StringBuilder(chunk.Count * RowBytes);
            AddOrders(chunk, paymentWindow, sql, command);
            AddItems(chunk, sql, command);
            if (at == plan.Accepted.Count)
            {
                AddStock(plan, guarded, sql, command);
            }

            command.CommandText = sql.ToString();
            yield return command;
        }

        if (plan.Rejected.Count > 0)
        {
            yield return Rejections(plan.Rejected);
        }
    }

    private static List<(OrderInHand Order, SkuRow Sku)> ChunkFrom(
        List<(OrderInHand Order, SkuRow Sku)> accepted, int start, int commandBytesMax)
    {
        var bytes = 0;
        var end = start;
        while (end < accepted.Count)
        {
            var sku = accepted[end].Sku;
            bytes += RowBytes + (BytesPerCharacterMax * (sku.Title.Length + sku.Image.Length + sku.Attrs.Length));
            if (end > start && bytes > commandBytesMax)
            {
                break;
            }

            end++;
        }

        return accepted.GetRange(start, end - start);
    }

    private static void AddOrders(
        List<(OrderInHand Order, SkuRow Sku)> accepted, TimeSpan paymentWindow, StringBuilder sql, MySqlCommand command)
    {
        sql.Append(InsertOrders);
        var expiresAt = string.Create(CultureInfo.InvariantCulture, $"{Now} + INTERVAL {(long)paymentWindow.TotalSeconds} SECOND)");
        // The orders of one script call share a time, and so do those of one message; most have the same amount as the order before. Each
        // is formatted once (docs/performance-log.md).
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

            sql.Append(i == 0 ? "\n(" : ",\n(").Append(order.OrderId).Append(",'").Append(order.OrderId).Append("',")
                .Append(order.Message.UserId)
                .Append(',').Append(ClickOf(order, command)).Append(',').Append((int)OrderStatus.PendingPayment)
                .Append(amounts).Append(TraceIdOf(order)).Append("','")
                .Append(reservedAt.Of(order.ReservedAt.UtcDateTime)).Append("','")
                .Append(pickedUpAt.Of(order.Delivery.ReceivedAt.UtcDateTime))
                .Append("'," + Now + ",").Append(expiresAt);
        }

        sql.Append(";\n");
    }

    private static void AddItems(List<(OrderInHand Order, SkuRow Sku)> accepted, StringBuilder sql, MySqlCommand command)
    {
        sql.Append(InsertItems);
        var snapshots = new Dictionary<SkuRow, (string Before, string After)>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < accepted.Count; i++)
        {
            var (order, sku) = accepted[i];
            if (!snapshots.TryGetValue(sku, out var snapshot))
            {
                snapshot = (
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{sku.ProductId},{sku.Id},{command.Parameter(sku.Title)},{command.Parameter(sku.Image)},{sku.Price},"),
                    $",{command.Parameter(sku.Attrs)})");
                snapshots.Add(sku, snapshot);
            }

            sql.Append(i == 0 ? "\n(" : ",\n(").Append(order.OrderId).Append(',').Append(order.Message.UserId).Append(',')
                .Append(snapshot.Before).Append(order.Message.Quantity).Append(snapshot.After);
        }

        sql.Append(";\n");
    }

    /// <summary>
    /// One statement for all SKUs; it locks their rows in the order of their ids, whichever worker runs it. Cases are grouped by outcome: a
    /// list of constants is searched by bisection, while a case for each of 500 SKUs would be tested one by one for each of 500 rows.
    /// </summary>
    private static void AddStock(BatchPlan plan, bool guarded, StringBuilder sql, MySqlCommand command)
    {
        sql.Append("UPDATE product_skus SET stock = stock - ");
        AddCase(plan.Taken, static taken => taken.Value, sql);
        sql.Append(" WHERE id IN (").AppendList(plan.Taken.Keys).Append(')');
        if (guarded)
        {
            sql.Append(" AND stock >= ");
            AddCase(plan.Taken, static taken => taken.Value, sql);
            sql.Append(" AND gate_epoch = ");
            AddCase(plan.Taken, taken => plan.Facts.Skus[taken.Key].GateEpoch, sql);
            // A subquery that returns two rows is an error, which stops the command before its COMMIT. It cannot be in a DO, whose errors
            // MariaDB swallows.
            sql.Append(";\nSELECT (SELECT 1 UNION ALL SELECT 1 FROM DUAL WHERE ROW_COUNT() <> ").Append(plan.Taken.Count)
                .Append(" UNION ALL SELECT 1 FROM order_rejections WHERE order_id IN (")
                .AppendList(plan.Accepted.Select(accepted => accepted.Order.OrderId)).Append(')');
            BatchLookUp.AddRefusedClicks(plan.Accepted.Select(accepted => accepted.Order), " UNION ALL SELECT 1 ", sql, command);
            AddLimits(plan, sql);
            sql.Append(");\nCOMMIT");
        }

        sql.Append(";\n");
    }

    /// <summary>
    /// Finds buyers above the limit, counting the new lines and everything committed before the lock. Most buyers have a single line,
    /// whose quantity is checked already: the index alone shows that, so no row is read while others wait for the lock.
    /// </summary>
    private static void AddLimits(BatchPlan plan, StringBuilder sql)
    {
        foreach (var skus in plan.Accepted.Where(accepted => accepted.Order.Message.Epoch is not null)
            .GroupBy(accepted => accepted.Sku.LimitPerUser))
        {
            if (skus.Key is { } limit)
            {
                sql.Append(" UNION ALL SELECT 1 FROM (SELECT i.sku_id, i.user_id FROM order_items i" + BatchLookUp.ByBuyer + "WHERE ");
                BatchLookUp.AddBuyers(skus.Select(accepted => accepted.Order), sql)
                    .Append(" GROUP BY i.sku_id, i.user_id HAVING COUNT(*) > 1) several ")
                    .Append("STRAIGHT_JOIN order_items h" + BatchLookUp.ByBuyer)
                    .Append("ON h.sku_id = several.sku_id AND h.user_id = several.user_id ")
                    .Append("GROUP BY several.sku_id, several.user_id HAVING SUM(h.quantity) > ").Append(limit);
            }
        }
    }

    private static void AddCase(SortedDictionary<long, int> taken, Func<KeyValuePair<long, int>, long> outcomeOf, StringBuilder sql)
    {
        var groups = taken.GroupBy(outcomeOf, sku => sku.Key).ToArray();
        if (groups.Length == 1)
        {
            sql.Append(groups[0].Key);
            return;
        }

        sql.Append("CASE");
        foreach (var group in groups)
        {
            sql.Append(" WHEN id IN (").AppendList(group).Append(") THEN ").Append(group.Key);
        }

        sql.Append(" END");
    }

    private static MySqlCommand Rejections(List<(OrderInHand Order, string Reason)> rejected)
    {
        var command = new MySqlCommand();
        var sql = new StringBuilder(InsertRejections);
        for (var i = 0; i < rejected.Count; i++)
        {
            var (order, reason) = rejected[i];
            sql.Append(i == 0 ? "\n" : ",\n")
                .Append(
                    CultureInfo.InvariantCulture,
                    $"({order.OrderId},{order.Message.UserId},{order.Message.SkuId},{order.Message.Quantity},")
                .Append(ClickOf(order, command)).Append(',').Append(command.Parameter(reason)).Append(",'").Append(TraceIdOf(order))
                .Append("'," + Now + ")");
        }

        command.CommandText = sql.ToString();
        return command;
    }

    private static string TraceIdOf(OrderInHand order) =>
        order.Trace == default ? "" : order.Trace.TraceId.ToHexString();

    private static string Text(DateTime time) => time.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static string ClickOf(OrderInHand order, MySqlCommand command) =>
        order.ClickNo is null ? "NULL" : command.Parameter(order.ClickNo);

    /// <summary>A column's time as text, cached from one row to the next.</summary>
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
