using System.Globalization;
using MySqlConnector;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>An order in MySQL.</summary>
internal sealed record BookedOrder(
    long Id, string Number, long UserId, long Epoch, string? ClientOrderNo, int Quantity, decimal Amount);

/// <summary>Both stores at a moment when nothing is under way, read without the product's own code.</summary>
internal sealed record HistoryBooks(
    int Stock, int Units, LoadId MySqlLoad, SaleTerms Terms, IReadOnlyDictionary<long, BookedOrder> Orders,
    IReadOnlyDictionary<long, string> Refused, IReadOnlyDictionary<string, RedisValue> Sale, long? Counter,
    IReadOnlyDictionary<long, Reservation> Records, IReadOnlyDictionary<long, long> Buyers, IReadOnlySet<long> Outbox)
{
    private const string Sql = """
        SELECT k.stock, s.units, k.gate_epoch, k.gate_load, s.starts_at, s.ends_at, s.limit_per_user, s.paused
            FROM product_skus k JOIN seckill_sales s ON s.sku_id = k.id WHERE k.id = @sku;
        SELECT o.id, o.order_sn, o.user_id, o.gate_epoch, o.client_order_no, i.quantity, o.total_amount
            FROM order_items i JOIN orders o ON o.id = i.order_id WHERE i.sku_id = @sku;
        SELECT order_id, reason FROM order_rejections WHERE sku_id = @sku;
        """;

    private static readonly string[] TermFields = ["starts_ms", "ends_ms", "limit", "paused", "expire_ms"];

    public LoadId? RedisLoad => Sale.TryGetValue("epoch", out var epoch) && Counter is not null
        ? new LoadId((long)epoch, Sale.TryGetValue("load", out var token) ? (long)token : null)
        : null;

    public long Held => Sale.TryGetValue("held", out var held) ? (long)held : 0;

    public bool Closed => Sale.TryGetValue("closed", out var closed) && closed == 1;

    public IEnumerable<Reservation> Pending => Records.Values.Where(order => order.State == OrderState.Pending);

    /// <summary>Units committed from the current counter whose verdicts Redis does not have yet.</summary>
    public long CommittedUntold => Orders.Values
        .Where(order => order.Epoch == RedisLoad?.Epoch && (!Records.TryGetValue(order.Id, out var record)
            || record.State == OrderState.Pending))
        .Sum(order => (long)order.Quantity);

    public IReadOnlyDictionary<long, long> Bought => Orders.Values.GroupBy(order => order.UserId)
        .ToDictionary(orders => orders.Key, orders => orders.Sum(order => (long)order.Quantity));

    public static async Task<HistoryBooks> ReadAsync(string mySql, IDatabase redis, SkuKeys sku, CancellationToken cancellationToken)
    {
        var (sale, counter, records, buyers, outbox) = (
            redis.HashGetAllAsync(sku.Sale), redis.StringGetAsync(sku.Stock), redis.HashGetAllAsync(sku.Orders),
            redis.HashGetAllAsync(sku.Buyers), redis.SortedSetRangeByRankAsync(sku.Outbox));
        await using var connection = new MySqlConnection(mySql);
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand(Sql, connection);
        command.Parameters.AddWithValue("@sku", sku.SkuId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        Assert.True(await reader.ReadAsync(cancellationToken));
        var (stock, units) = (reader.GetInt32(0), reader.GetInt32(1));
        var load = new LoadId(reader.GetInt64(2), reader.IsDBNull(3) ? null : reader.GetInt64(3));
        var terms = new SaleTerms(
            new DateTimeOffset(reader.GetDateTime(4), TimeSpan.Zero), new DateTimeOffset(reader.GetDateTime(5), TimeSpan.Zero),
            reader.GetInt32(6), reader.GetBoolean(7));
        var orders = new Dictionary<long, BookedOrder>();
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            orders.Add(reader.GetInt64(0), new BookedOrder(
                reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3),
                reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetInt32(5), reader.GetDecimal(6)));
        }

        var refused = new Dictionary<long, string>();
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            refused.Add(reader.GetInt64(0), reader.GetString(1));
        }

        return new HistoryBooks(
            stock, units, load, terms, orders, refused, (await sale).ToDictionary(field => field.Name.ToString(), field => field.Value),
            (await counter).HasValue ? (long)await counter : null,
            (await records).ToDictionary(field => (long)field.Name, field => Reservation.Parse((long)field.Name, field.Value!)),
            (await buyers).ToDictionary(
                field => (long)field.Name, field => long.Parse(field.Value.ToString().Split('|')[0], CultureInfo.InvariantCulture)),
            (await outbox).Select(id => (long)id).ToHashSet());
    }

    /// <summary>The promises at any moment. Redis is ignored while a copy has taken over and is not loaded yet.</summary>
    public void AssertPromises(int limitHighest, bool stale)
    {
        Assert.True(Stock >= 0, "oversold");
        Assert.Equal(Units, Stock + Orders.Values.Sum(order => order.Quantity));
        Assert.All(Bought, buyer => Assert.True(buyer.Value <= limitHighest, $"buyer {buyer.Key} has {buyer.Value}"));
        Assert.All(
            Orders.Values.Where(order => order.ClientOrderNo is not null).GroupBy(order => (order.UserId, order.ClientOrderNo)),
            click => Assert.Single(click));
        var numbers = Orders.Values.Select(order => order.Number).ToHashSet();
        foreach (var record in Records.Values)
        {
            Assert.False(record.State == OrderState.Success && !numbers.Contains(record.Detail!), $"SUCCESS without an order: {record}");
            Assert.False(record.State == OrderState.Failed && Orders.ContainsKey(record.OrderId), $"FAILED with an order: {record}");
        }

        if (RedisLoad == MySqlLoad && !stale)
        {
            Assert.Equal((Stock + CommittedUntold, "in MySQL, or to be told"), (Counter!.Value + Held, "in MySQL, or to be told"));
            Assert.Equal(
                (Pending.Where(order => order.Epoch == MySqlLoad.Epoch).Sum(order => (long)order.Quantity), "held"), (Held, "held"));
            // Orders that MySQL does not have yet are held by the current counter, or their units are on sale again.
            Assert.DoesNotContain(Pending, order =>
                order.Epoch != MySqlLoad.Epoch && !Orders.ContainsKey(order.OrderId) && !Refused.ContainsKey(order.OrderId));
        }
    }

    /// <summary>Whether any work is left, according to Redis.</summary>
    public bool IsAtRest => RedisLoad == MySqlLoad && !Closed && Counter == Stock && Held == 0 && Outbox.Count == 0;

    /// <summary>The promises at rest.</summary>
    public void AssertAtRest()
    {
        Assert.Equal(MySqlLoad, RedisLoad);
        Assert.False(Closed, "The gate is closed.");
        Assert.Equal((Stock, "on sale"), ((int)Counter!.Value, "on sale"));
        Assert.Equal(0, Held);
        Assert.Empty(Outbox);
        Assert.Empty(Pending);
        Assert.Equal(
            Bought.Where(buyer => buyer.Value > 0).OrderBy(buyer => buyer.Key),
            Buyers.Where(buyer => buyer.Value > 0).OrderBy(buyer => buyer.Key));
        Assert.Equal(
            string.Join('|', Terms.Fields),
            string.Join('|', TermFields.Select(field => Sale[field])));
    }
}
