using System.Diagnostics;
using System.Globalization;
using System.Text;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Bench.Textbook;
using Seckill.Ordering.Ids;

namespace Seckill.Bench.Bench;

/// <summary>The limit of each part by itself: no design is faster than its slowest part.</summary>
internal static class PartLimits
{
    private const int ScriptCallers = 128;
    private const int PublishInFlight = 256;
    private const int PublishBodyBytes = 160;

    /// <summary>Size of the worker's batch, which is one transaction.</summary>
    public const int InsertBatchSize = 500;

    private const string LimitQueue = "bench.limit.queue";
    private const long InsertUserMin = 9_000_000_000;

    private static readonly SnowflakeSequence Ids = new(SnowflakeSequence.NodeMax - 1, TimeProvider.System);

    /// <summary>The tutorial's script, one per call, from many callers; calls per second.</summary>
    public static async Task<double> ScriptAsync(BenchSystem system, TimeSpan duration, CancellationToken cancellationToken)
    {
        var database = system.RedisConnection.GetDatabase();
        const string Key = "stock:sku:999999";
        await database.StringSetAsync(Key, int.MaxValue);
        return await CountAsync(ScriptCallers, duration, async () =>
        {
            await database.ScriptEvaluateAsync(TutorialShop.Script, [Key], [1]);
            return 1;
        }, cancellationToken);
    }

    /// <summary>Persistent messages of one order into a quorum queue with tracked confirms; messages per second.</summary>
    public static async Task<double> PublishAsync(BenchSystem system, TimeSpan duration, CancellationToken cancellationToken)
    {
        await using var connection = await system.ConnectAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), cancellationToken);
        await channel.QueueDeclareAsync(
            LimitQueue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: cancellationToken);
        var body = new byte[PublishBodyBytes];
        var rate = await CountAsync(PublishInFlight, duration, async () =>
        {
            await channel.BasicPublishAsync(
                "", LimitQueue, mandatory: true, new BasicProperties { Persistent = true }, body, cancellationToken);
            return 1;
        }, cancellationToken);
        await channel.QueueDeleteAsync(LimitQueue, cancellationToken: cancellationToken);
        return rate;
    }

    /// <summary>
    /// Rows as the worker writes them, an order and an item each, in ready-made statements, one batch per transaction, on one connection;
    /// orders per second.
    /// </summary>
    public static async Task<double> InsertAsync(BenchSystem system, long skuId, TimeSpan duration, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(system.MySql);
        await connection.OpenAsync(cancellationToken);
        var started = TimeSpan.Zero;
        long written = 0;
        while (started < duration)
        {
            // Built before the clock starts: only the database is measured.
            var sql = InsertStatement(skuId);
            var begun = Stopwatch.GetTimestamp();
            await using var command = new MySqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
            started += Stopwatch.GetElapsedTime(begun);
            written += InsertBatchSize;
        }

        return written / started.TotalSeconds;
    }

    private static string InsertStatement(long skuId)
    {
        var orders = new StringBuilder(
            "BEGIN;INSERT INTO orders (id, order_sn, user_id, client_order_no, status, total_amount, pay_amount, gate_epoch, "
                + "trace_id, reserved_at, picked_up_at, created_at, expires_at) VALUES ");
        var items = new StringBuilder(
            "INSERT INTO order_items (order_id, user_id, product_id, sku_id, title, image, price, quantity, attrs) VALUES ");
        for (var i = 0; i < InsertBatchSize; i++)
        {
            var (id, comma) = (Ids.Next(), i == 0 ? "" : ",");
            var user = InsertUserMin + (id & 0xFFFF);
            orders.Append(CultureInfo.InvariantCulture,
                $"{comma}({id},'{id}',{user},NULL,0,99.00,99.00,1,'0af7651916cd43dd8448eb211c80319c','2026-01-01 00:00:00.123456',"
                    + $"'2026-01-01 00:00:00.123456','2026-01-01 00:00:00.123456','2026-01-01 00:15:00.123456')");
            items.Append(CultureInfo.InvariantCulture,
                $$"""{{comma}}({{id}},{{user}},{{skuId}},{{skuId}},'Benchmark 量子手机','/img/bench.svg',99.00,1,'{"color":"black"}')""");
        }

        return orders.Append(';').Append(items).Append(";COMMIT;").ToString();
    }

    private static async Task<double> CountAsync(
        int callers, TimeSpan duration, Func<Task<int>> callAsync, CancellationToken cancellationToken)
    {
        long done = 0;
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
            async () =>
            {
                while (Stopwatch.GetElapsedTime(started) < duration)
                {
                    Interlocked.Add(ref done, await callAsync());
                }
            }, cancellationToken)));
        return done / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
