using System.Text.Json;
using Microsoft.Extensions.Configuration;
using RabbitMQ.Client;
using StackExchange.Redis;

namespace Seckill.Bench.Textbook;

/// <summary>The tutorial's purchase: its script, then a publish without confirm, on one channel for all requests.</summary>
internal sealed class TutorialShop : IAsyncDisposable
{
    /// <summary>Its own names, so that neither system's worker takes the other's orders.</summary>
    public const string Exchange = "textbook.order.exchange";
    public const string Queue = "textbook.order.create.queue";
    public const string RoutingKey = "order.create";

    /// <summary>Copied from the tutorial.</summary>
    public const string Script =
        """
        local stock = tonumber(redis.call('GET', KEYS[1]) or "0")
        local qty = tonumber(ARGV[1])

        if stock <= 0 or stock < qty then
            return -1
        end

        stock = stock - qty
        redis.call('SET', KEYS[1], stock)
        return stock
        """;

    private readonly ConnectionMultiplexer _redis;
    private readonly IConnection _connection;
    private readonly IChannel _channel;

    private TutorialShop(ConnectionMultiplexer redis, IConnection connection, IChannel channel) =>
        (_redis, _connection, _channel) = (redis, connection, channel);

    public static async Task<TutorialShop> ConnectAsync(IConfiguration configuration, CancellationToken cancellationToken)
    {
        var redis = await ConnectionMultiplexer.ConnectAsync(configuration.GetConnectionString("redis")!);
        var factory = new ConnectionFactory { Uri = new Uri(configuration.GetConnectionString("rabbitmq")!) };
        var connection = await factory.CreateConnectionAsync("textbook", cancellationToken);
        var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await DeclareAsync(channel, cancellationToken);
        return new TutorialShop(redis, connection, channel);
    }

    public static async Task DeclareAsync(IChannel channel, CancellationToken cancellationToken)
    {
        await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Direct, durable: true, cancellationToken: cancellationToken);
        await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false, cancellationToken: cancellationToken);
        await channel.QueueBindAsync(Queue, Exchange, RoutingKey, cancellationToken: cancellationToken);
    }

    public async Task<bool> BuyAsync(long userId, long skuId, int quantity, CancellationToken cancellationToken)
    {
        var left = (long)await _redis.GetDatabase().ScriptEvaluateAsync(Script, [$"stock:sku:{skuId}"], [quantity]);
        if (left < 0)
        {
            return false;
        }

        var body = JsonSerializer.SerializeToUtf8Bytes(new TutorialMessage(userId, skuId, quantity), TextbookJson.Default.TutorialMessage);
        await _channel.BasicPublishAsync(
            Exchange, RoutingKey, mandatory: false, new BasicProperties { ContentType = "application/json" }, body, cancellationToken);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.CloseAsync();
        await _connection.CloseAsync();
        await _redis.DisposeAsync();
    }
}
