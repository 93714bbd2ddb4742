using System.Diagnostics;
using System.Globalization;
using System.Text;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Worker;

/// <summary>One SKU on sale on the real servers; the real script plays the gate's part of every order.</summary>
internal sealed class Shop : IAsyncDisposable
{
    private static readonly SnowflakeSequence Ids = new(1_000, TimeProvider.System);
    private static long _lastSkuId = 5_000;

    private readonly WorkerServers _servers;
    private readonly IConnection _connection;
    private readonly IChannel _channel;

    private Shop(
        WorkerServers servers, IConnectionMultiplexer redis, IConnection connection, IChannel channel, SkuKeys sku, int stock)
    {
        (_servers, _connection, _channel, Sku, InitialStock) = (servers, connection, channel, sku, stock);
        Ledger = new StockLedger(redis);
    }

    public SkuKeys Sku { get; }

    public int InitialStock { get; }

    public StockLedger Ledger { get; }

    /// <summary>Opens a separate sale on empty queues.</summary>
    public static async Task<Shop> OpenAsync(
        WorkerServers servers, int stock, CancellationToken cancellationToken, decimal price = 9.9m, IConnectionMultiplexer? redis = null)
    {
        var factory = new ConnectionFactory { Uri = new Uri(servers.RabbitMq.ConnectionString), AutomaticRecoveryEnabled = false };
        var connection = await factory.CreateConnectionAsync("shop", cancellationToken);
        var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true, null, 1), cancellationToken);
        await OrderTopology.DeclareAsync(channel, cancellationToken);
        await channel.QueuePurgeAsync(OrderTopology.Queue, cancellationToken);
        await channel.QueuePurgeAsync(OrderTopology.DeadLetterQueue, cancellationToken);
        await channel.QueuePurgeAsync(OrderTopology.ParkedQueue, cancellationToken);
        var sku = new SkuKeys(Interlocked.Increment(ref _lastSkuId));
        var shop = new Shop(servers, redis ?? servers.RedisConnection, connection, channel, sku, stock);
        await shop.PutOnSaleAsync(price, cancellationToken);
        return shop;
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }

    /// <summary>Reserves for one buyer; returns the message that the Api would publish.</summary>
    public async Task<OrderMessage> ReserveAsync(
        long userId, CancellationToken cancellationToken, int quantity = 1, string? clientOrderNo = null, long? orderId = null,
        string? offer = null)
    {
        var request = new ReserveRequest(orderId ?? Ids.Next(), userId, quantity, clientOrderNo, null, offer);
        var reply = await Ledger.ReserveAsync(Sku, [request], cancellationToken);
        Assert.Equal(ReserveCode.Accepted, reply.Results[0].Code);
        return new OrderMessage
        {
            UserId = userId,
            SkuId = Sku.SkuId,
            Quantity = quantity,
            ClientOrderNo = clientOrderNo,
            OrderId = request.OrderId,
            ReservedAtMs = reply.NowMs,
            Epoch = reply.Epoch,
        };
    }

    /// <summary>Reserves for many buyers and publishes their orders.</summary>
    public async Task<List<OrderMessage>> SellAsync(long firstUserId, int count, CancellationToken cancellationToken)
    {
        var messages = new List<OrderMessage>();
        for (var i = 0; i < count; i++)
        {
            messages.Add(await ReserveAsync(firstUserId + i, cancellationToken));
        }

        await Task.WhenAll(messages.Select(message => PublishAsync(message, cancellationToken)));
        return messages;
    }

    public Task PublishAsync(OrderMessage message, CancellationToken cancellationToken) =>
        PublishAsync(message.ToUtf8Json(), cancellationToken);

    public Task PublishAsync(string body, CancellationToken cancellationToken, BasicProperties? properties = null) =>
        PublishAsync(Encoding.UTF8.GetBytes(body), cancellationToken, properties);

    public async Task PublishAsync(byte[] body, CancellationToken cancellationToken, BasicProperties? properties = null)
    {
        // If a host in this process listens to the client's spans, the client overwrites the headers' trace with the current one: both
        // are the same.
        using var click = properties?.Headers is { } headers && headers.TryGetValue("traceparent", out var header) && header is string trace
            ? new Activity("click").SetParentId(trace).Start()
            : null;
        await _channel.BasicPublishAsync(
            OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, properties ?? new BasicProperties { Persistent = true },
            body, cancellationToken);
    }

    /// <summary>Publishes with the properties unchanged, see <see cref="RawMessages"/>.</summary>
    public Task PublishRawAsync(byte[] properties, byte[] body, CancellationToken cancellationToken) =>
        PublishRawAsync([(properties, body)], cancellationToken);

    /// <summary>Many at once.</summary>
    public Task PublishRawAsync(IEnumerable<(byte[] Properties, byte[] Body)> messages, CancellationToken cancellationToken) =>
        RawMessages.PublishAsync(_connection.Endpoint, _servers.RabbitMq.ConnectionString, messages, cancellationToken);

    /// <summary>Waits until the broker reports that it accepts no more messages.</summary>
    public async Task BlockedAsync(CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory { Uri = new Uri(_servers.RabbitMq.ConnectionString), AutomaticRecoveryEnabled = false };
        var connection = await factory.CreateConnectionAsync("probe", cancellationToken);
        var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        var blocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionBlockedAsync += (_, _) =>
        {
            blocked.TrySetResult();
            return Task.CompletedTask;
        };
        // It reports this to publishing connections; a message to no queue is enough.
        for (var i = 0; !blocked.Task.IsCompleted && i < Deadline.TimeoutMs / 100; i++)
        {
            await channel.BasicPublishAsync("", "nowhere", ReadOnlyMemory<byte>.Empty, cancellationToken);
            await Task.WhenAny(blocked.Task, Task.Delay(100, cancellationToken));
        }

        Assert.True(blocked.Task.IsCompleted, "The broker still accepts messages.");
        // It does not read the close frame either.
        await connection.CloseAsync(Constants.ReplySuccess, "done", TimeSpan.FromMilliseconds(100), abort: true, cancellationToken);
    }

    /// <summary>Waits until an order is settled.</summary>
    public async Task<Reservation> SettledAsync(
        OrderMessage message, CancellationToken cancellationToken, int timeoutMs = Deadline.TimeoutMs) =>
        (await Deadline.UntilAsync(
            () => Ledger.FindAsync(Sku, message.OrderId!.Value, cancellationToken), r => r is { State: not OrderState.Pending },
            cancellationToken, timeoutMs))!;

    public async Task SettledAsync(IEnumerable<OrderMessage> messages, CancellationToken cancellationToken, int timeoutMs = 90_000)
    {
        foreach (var message in messages)
        {
            await SettledAsync(message, cancellationToken, timeoutMs);
        }
    }

    /// <summary>Waits for the next dead letter.</summary>
    public async Task<BasicGetResult> DeadLetterAsync(CancellationToken cancellationToken, int timeoutMs = Deadline.TimeoutMs) =>
        (await Deadline.UntilAsync(
            () => _channel.BasicGetAsync(OrderTopology.DeadLetterQueue, autoAck: true, cancellationToken), got => got is not null,
            cancellationToken, timeoutMs))!;

    /// <summary>Orders ready in the queue.</summary>
    public async Task<uint> QueuedCountAsync(CancellationToken cancellationToken) =>
        await _channel.MessageCountAsync(OrderTopology.Queue, cancellationToken);

    /// <summary>Deletes the order queue with all messages, also those that a worker holds; the worker declares it again.</summary>
    public Task DeleteQueueAsync(CancellationToken cancellationToken) =>
        _channel.QueueDeleteAsync(OrderTopology.Queue, ifUnused: false, ifEmpty: false, cancellationToken: cancellationToken);

    public async Task<uint> DeadLetterCountAsync(CancellationToken cancellationToken) =>
        await _channel.MessageCountAsync(OrderTopology.DeadLetterQueue, cancellationToken);

    /// <summary>The first column of the first row; @sku is this SKU.</summary>
    public async Task<T> AskAsync<T>(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await _servers.OpenMySqlAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection);
        command.Parameters.AddWithValue("@sku", Sku.SkuId);
        return (T)Convert.ChangeType(await command.ExecuteScalarAsync(cancellationToken), typeof(T), CultureInfo.InvariantCulture)!;
    }

    public Task<int> OrderCountAsync(CancellationToken cancellationToken) =>
        AskAsync<int>("SELECT COUNT(*) FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku", cancellationToken);

    public Task<int> MySqlStockAsync(CancellationToken cancellationToken) =>
        AskAsync<int>("SELECT stock FROM product_skus WHERE id = @sku", cancellationToken);

    public async Task<long> RedisStockAsync(CancellationToken cancellationToken) =>
        (await Ledger.StockAsync([Sku], cancellationToken))[Sku.SkuId]!.Value;

    /// <summary>redis stock + units held = mysql stock, and mysql stock + live orders = initial stock.</summary>
    public async Task AssertConservedAsync(CancellationToken cancellationToken)
    {
        var sold = await AskAsync<int>("SELECT COALESCE(SUM(quantity), 0) FROM order_items WHERE sku_id = @sku", cancellationToken);
        var mySql = await MySqlStockAsync(cancellationToken);
        var held = (long)await _servers.RedisConnection.GetDatabase().HashGetAsync(Sku.Sale, "held");
        Assert.Equal(InitialStock, mySql + sold);
        Assert.Equal(mySql, await RedisStockAsync(cancellationToken) + held);
    }

    private async Task PutOnSaleAsync(decimal price, CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.UtcNow;
        var loaded = await Ledger.WarmAsync(
            Sku, InitialStock, default, LoadId.NewToken(),
            new SaleTerms(now.AddHours(-1), now.AddHours(1), OrderLimits.QuantityMax, false), [], cancellationToken);
        await AskAsync<object?>(string.Create(CultureInfo.InvariantCulture, $$"""
            INSERT INTO products (id, title, description, image) VALUES (@sku, '商品 / product', '', '/img/p.svg');
            INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs, gate_epoch)
            VALUES (@sku, @sku, '规格 / sku', {{price}}, {{InitialStock}}, '/img/s.svg', '{"color":"red"}', {{loaded.Epoch}})
            """), cancellationToken);
    }
}
