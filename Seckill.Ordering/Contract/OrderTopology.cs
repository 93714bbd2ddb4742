using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Seckill.Ordering.Contract;

/// <summary>Exchanges and queues, declared identically by every program that uses them (declaring again is harmless).</summary>
public static class OrderTopology
{
    public const string Exchange = "order.exchange";
    public const string Queue = "order.create.queue";
    public const string RoutingKey = "order.create";
    public const string DeadLetterExchange = "order.dlx";
    public const string DeadLetterQueue = "order.create.dead";

    /// <summary>
    /// Orders that MySQL or Redis refuses now although it accepts others. The broker sends each back to the order queue after
    /// <see cref="ParkedMs"/>.
    /// </summary>
    public const string ParkedQueue = "order.create.parked";

    /// <summary>
    /// How long an order stays parked, ms. An argument of the queue: brokers refuse to redeclare it with a different value.
    /// </summary>
    public const int ParkedMs = 5_000;

    /// <summary>
    /// Maximum bytes in one message; a thousand orders take about 200 KB. The clients accept no more, and brokers that we start refuse more
    /// (<c>max_message_size</c>).
    /// </summary>
    public const int MessageBytesMax = 2_097_152;

    /// <summary>
    /// Deliveries of one message before the broker itself treats it as poison. Quorum queues also count the returns of a killed consumer,
    /// and RabbitMQ 4 stops at 20 by default. An outage (or looking at dead letters) must never use that up: the worker decides what is
    /// poison, not the count.
    /// </summary>
    public const int DeliveryLimitMax = 1_000_000;

    /// <summary>In the order in which they are declared.</summary>
    private static readonly string[] Queues = [DeadLetterQueue, Queue, ParkedQueue];

    /// <summary>
    /// Declares the route, and binds it only if one of its queues is missing: RabbitMQ 3 blocks bindings while one of its nodes is frozen.
    /// A lost binding shows up as returned messages, see <see cref="PublishAsync"/>.
    /// </summary>
    public static async Task EnsureAsync(IConnection connection, CancellationToken cancellationToken)
    {
        var isBound = await HasQueuesAsync(connection, cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await DeclareAsync(channel, bind: !isBound, cancellationToken);
    }

    /// <summary>Declares the route: direct exchange, quorum queue, dead-letter exchange and queue, parked queue, all durable.</summary>
    public static Task DeclareAsync(IChannel channel, CancellationToken cancellationToken) =>
        DeclareAsync(channel, bind: true, cancellationToken);

    private static async Task DeclareAsync(IChannel channel, bool bind, CancellationToken cancellationToken)
    {
        await channel.ExchangeDeclareAsync(
            Exchange, ExchangeType.Direct, durable: true, autoDelete: false, cancellationToken: cancellationToken);
        await channel.ExchangeDeclareAsync(
            DeadLetterExchange, ExchangeType.Direct, durable: true, autoDelete: false, cancellationToken: cancellationToken);

        await channel.QueueDeclareAsync(
            DeadLetterQueue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-delivery-limit"] = DeliveryLimitMax },
            cancellationToken: cancellationToken);
        if (bind)
        {
            await channel.QueueBindAsync(DeadLetterQueue, DeadLetterExchange, RoutingKey, cancellationToken: cancellationToken);
        }

        await channel.QueueDeclareAsync(
            Queue, durable: true, exclusive: false, autoDelete: false, Arguments(deadLettersTo: DeadLetterExchange),
            cancellationToken: cancellationToken);
        if (bind)
        {
            await channel.QueueBindAsync(Queue, Exchange, RoutingKey, cancellationToken: cancellationToken);
        }

        // Published to by name, through the default exchange. Declared last: if all queues exist, they have been bound.
        var parked = Arguments(deadLettersTo: Exchange);
        parked["x-message-ttl"] = ParkedMs;
        await channel.QueueDeclareAsync(
            ParkedQueue, durable: true, exclusive: false, autoDelete: false, parked, cancellationToken: cancellationToken);
    }

    /// <summary>Uses a separate channel, which the broker closes if there is no such queue.</summary>
    private static async Task<bool> HasQueuesAsync(IConnection connection, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        try
        {
            foreach (var queue in Queues)
            {
                await channel.QueueDeclarePassiveAsync(queue, cancellationToken);
            }

            return true;
        }
        catch (OperationInterruptedException exception) when (exception.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }

    private static Dictionary<string, object?> Arguments(string deadLettersTo) => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-dead-letter-exchange"] = deadLettersTo,
        ["x-dead-letter-routing-key"] = RoutingKey,
        // Dead-lettering inside the broker keeps the message until the queue behind the exchange has confirmed it.
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-overflow"] = "reject-publish",
        ["x-delivery-limit"] = DeliveryLimitMax,
    };

    /// <summary>
    /// Publishes to one of the exchanges and waits for the confirm. A message that is returned because the queue or the
    /// binding was removed is sent once more after the route has been declared again.
    /// </summary>
    /// <exception cref="PublishException">The broker does not accept it.</exception>
    public static async Task PublishAsync(
        IChannel channel, string exchange, string routingKey, BasicProperties properties, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken)
    {
        try
        {
            await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, properties, body, cancellationToken);
        }
        catch (PublishException exception) when (exception.IsReturn)
        {
            await DeclareAsync(channel, cancellationToken);
            await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, properties, body, cancellationToken);
        }
    }
}
