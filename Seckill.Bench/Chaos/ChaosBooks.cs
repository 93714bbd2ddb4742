using System.Globalization;
using System.Text;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Bench.Chaos;

/// <summary>An order line in MySQL.</summary>
public readonly record struct BookedLine(long OrderId, long UserId, int Quantity, bool Live, decimal Amount);

/// <summary>The state of one SKU in both stores.</summary>
/// <param name="Sale">The SKU and the units put on sale.</param>
/// <param name="RedisStock">The counter; null when Redis does not know it.</param>
/// <param name="Held">Units deducted but not settled, according to Redis.</param>
/// <param name="Unsettled">Orders in the outbox.</param>
/// <param name="Pending">Reservations whose record says "pending".</param>
/// <param name="MySqlStock">Units left in MySQL.</param>
/// <param name="Lines">Order lines in MySQL.</param>
/// <param name="Rejected">Ids of the orders that are recorded as refused in MySQL.</param>
public sealed record SkuBooks(
    ChaosSale Sale, long? RedisStock, long Held, long Unsettled, long Pending, long MySqlStock, IReadOnlyList<BookedLine> Lines,
    IReadOnlySet<long> Rejected)
{
    public long LiveUnits => Lines.Where(line => line.Live).Sum(line => (long)line.Quantity);
}

/// <summary>All three servers at rest, read directly: the audit must not trust what it audits.</summary>
/// <param name="Skus">By SKU.</param>
/// <param name="LeftInQueue">Messages in the order queue and parked; with the applications stopped, this includes those that were
/// delivered and not acknowledged.</param>
/// <param name="DeadLetters">The bodies in the dead-letter queue.</param>
public sealed record ChaosBooks(IReadOnlyList<SkuBooks> Skus, long LeftInQueue, IReadOnlyCollection<string> DeadLetters)
{
    private const int ConnectTimeoutMs = 10_000;

    public static async Task<ChaosBooks> ReadAsync(ChaosSystem system, IReadOnlyList<ChaosSale> sales, CancellationToken cancellationToken)
    {
        await using var redis = await ConnectAsync(system);
        await using var mySql = await system.OpenMySqlAsync(cancellationToken);
        var skus = new List<SkuBooks>();
        foreach (var sale in sales)
        {
            skus.Add(await ReadAsync(sale, redis.GetDatabase(), mySql, cancellationToken));
        }

        await using var connection = await ConnectToBrokerAsync(system, cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        return new ChaosBooks(
            skus, await LeftInQueuesAsync(channel, cancellationToken), await ReadLettersAsync(channel, cancellationToken));
    }

    /// <summary>Messages in the order queue and parked that no consumer has in hand.</summary>
    public static async Task<long> LeftInQueuesAsync(IChannel channel, CancellationToken cancellationToken) =>
        await channel.MessageCountAsync(OrderTopology.Queue, cancellationToken)
        + await channel.MessageCountAsync(OrderTopology.ParkedQueue, cancellationToken);

    public static Task<IConnection> ConnectToBrokerAsync(ChaosSystem system, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory
        {
            Uri = new Uri(system.RabbitMq),
            RequestedConnectionTimeout = TimeSpan.FromMilliseconds(ConnectTimeoutMs),
        };
        return factory.CreateConnectionAsync("chaos audit", cancellationToken);
    }

    private static async Task<List<string>> ReadLettersAsync(IChannel channel, CancellationToken cancellationToken)
    {
        var letters = new List<string>();
        while (await channel.BasicGetAsync(OrderTopology.DeadLetterQueue, autoAck: false, cancellationToken) is { } letter)
        {
            letters.Add(Encoding.UTF8.GetString(letter.Body.Span));
        }

        return letters;
    }

    /// <summary>Orders in the outboxes that are not settled yet.</summary>
    public static async Task<long> UnsettledAsync(IDatabase redis, IReadOnlyList<ChaosSale> sales)
    {
        var counts = await Task.WhenAll(sales.Select(sale => redis.SortedSetLengthAsync(sale.Keys.Outbox)));
        return counts.Sum();
    }

    public static async Task<ConnectionMultiplexer> ConnectAsync(ChaosSystem system)
    {
        var options = ConfigurationOptions.Parse(system.Redis);
        options.ConnectTimeout = ConnectTimeoutMs;
        options.AsyncTimeout = ConnectTimeoutMs;
        return await ConnectionMultiplexer.ConnectAsync(options);
    }

    private static async Task<SkuBooks> ReadAsync(
        ChaosSale sale, IDatabase redis, MySqlConnection mySql, CancellationToken cancellationToken)
    {
        var stock = await redis.StringGetAsync(sale.Keys.Stock);
        var held = await redis.HashGetAsync(sale.Keys.Sale, "held");
        var unsettled = await redis.SortedSetLengthAsync(sale.Keys.Outbox);
        var pending = 0L;
        await foreach (var record in redis.HashScanAsync(sale.Keys.Orders, pageSize: 1_000))
        {
            pending += ((string)record.Value!).StartsWith('P') ? 1 : 0;
        }

        var lines = await ListAsync(
            mySql,
            "SELECT o.id, o.user_id, i.quantity, o.status, o.total_amount FROM order_items i JOIN orders o ON o.id = i.order_id "
                + "WHERE i.sku_id = @sku",
            sale,
            row => new BookedLine(
                row.GetInt64(0), row.GetInt64(1), row.GetInt32(2), row.GetInt32(3) != (int)OrderStatus.Closed, row.GetDecimal(4)),
            cancellationToken);
        var rejected = await ListAsync(
            mySql, "SELECT order_id FROM order_rejections WHERE sku_id = @sku", sale, row => row.GetInt64(0), cancellationToken);
        var left = await ListAsync(
            mySql, "SELECT stock FROM product_skus WHERE id = @sku", sale, row => row.GetInt64(0), cancellationToken);
        return new SkuBooks(
            sale, stock.HasValue ? (long)stock : null, held.HasValue ? (long)held : 0, unsettled, pending, left[0], lines,
            rejected.ToHashSet());
    }

    private static async Task<List<T>> ListAsync<T>(
        MySqlConnection connection, string sql, ChaosSale sale, Func<MySqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, connection);
        command.Parameters.AddWithValue("@sku", sale.SkuId.ToString(CultureInfo.InvariantCulture));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
