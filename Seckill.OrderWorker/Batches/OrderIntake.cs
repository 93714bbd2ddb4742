using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.Ordering.Faults;

namespace Seckill.OrderWorker.Batches;

/// <summary>
/// Reads deliveries. A body is one order, or a JSON array of orders; a fault in one order of an array concerns that order alone.
///
/// An order is identified by its order_id if the gate made one, else by its client_order_no. Another producer's message without either is
/// identified by the AMQP message_id, kept in the column client_order_no behind "mid:". A message with none of the three is written at
/// least once: if the worker dies between commit and ack, the broker delivers it again and it cannot be recognised as the same.
/// </summary>
internal static class OrderIntake
{
    /// <summary>Orders in one message.</summary>
    public const int OrdersPerMessageMax = 1_000;

    public const string MessageIdPrefix = "mid:";

    /// <summary>Adds a delivery's orders to the batch.</summary>
    public static void Take(Delivery delivery, OrderBatch batch)
    {
        batch.Add(delivery);
        List<Range> parts;
        try
        {
            parts = PartsOf(delivery);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            RefuseWhole(delivery, ReasonOf(exception), batch);
            return;
        }

        for (var i = 0; i < parts.Count; i++)
        {
            TakeOrder(delivery, delivery.Body.AsMemory(parts[i]), parts.Count > 1 ? i : null, batch);
        }
    }

    private static void TakeOrder(Delivery delivery, ReadOnlyMemory<byte> body, int? index, OrderBatch batch)
    {
        try
        {
            var message = OrderMessage.Parse(body.Span);
            var trace = TraceOf(message, delivery);
            var span = StartSpan(delivery, trace);
            span?.SetTag("seckill.sku_id", message.SkuId);
            batch.Orders.Add(new OrderInHand(delivery, body, index, message, ClickNoOf(message, delivery, index), trace, span));
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            Refuse(delivery, body, index, ReasonOf(exception), StartSpan(delivery, delivery.Trace), batch);
        }
    }

    /// <summary>Any exception while reading concerns that message alone; the reason tells operators its kind.</summary>
    private static string ReasonOf(Exception exception) => exception switch
    {
        InvalidOrderException => exception.Message,
        JsonException => $"malformed body: {exception.Message}",
        _ => $"cannot be read: {exception.GetType().Name}: {exception.Message}",
    };

    private static void RefuseWhole(Delivery delivery, string reason, OrderBatch batch) =>
        Refuse(delivery, delivery.Body, null, reason, StartSpan(delivery, delivery.Trace), batch);

    /// <summary>
    /// An order in a message of many names its own trace; an invalid value is ignored. The parent counts as remote in both cases, for
    /// samplers too: the order's part in this process begins here.
    /// </summary>
    private static ActivityContext TraceOf(OrderMessage message, Delivery delivery) =>
        ActivityContext.TryParse(message.TraceParent, null, isRemote: true, out var own) ? own
        : delivery.Trace == default ? default
        : new ActivityContext(
            delivery.Trace.TraceId, delivery.Trace.SpanId, delivery.Trace.TraceFlags, delivery.Trace.TraceState, isRemote: true);

    private static void Refuse(Delivery delivery, ReadOnlyMemory<byte> body, int? part, string reason, Activity? span, OrderBatch batch)
    {
        span?.SetStatus(ActivityStatusCode.Error, reason);
        batch.DeadLetters.Add(new DeadLetter(delivery, body, part, reason, delivery.Trace, span));
    }

    private static Activity? StartSpan(Delivery delivery, ActivityContext trace)
    {
        // If the message has a trace of its own, a link connects it.
        ActivityLink[]? carrier =
            delivery.Trace == default || delivery.Trace.TraceId == trace.TraceId ? null : [new ActivityLink(delivery.Trace)];
        var span = WorkerTelemetry.StartDetached("process order", ActivityKind.Consumer, trace, delivery.ReceivedAt, carrier);
        span?.SetTag("messaging.system", "rabbitmq");
        span?.SetTag("messaging.operation.type", "process");
        span?.SetTag("messaging.destination.name", OrderTopology.Queue);
        return span;
    }

    /// <summary>Start and length of each order in the body.</summary>
    /// <exception cref="JsonException">The array is not valid JSON to its end, so its orders cannot be separated with
    /// certainty.</exception>
    private static List<Range> PartsOf(Delivery delivery)
    {
        var body = delivery.Body;
        if (delivery.Condemned is { } condemned)
        {
            throw new InvalidOrderException(condemned);
        }

        if (delivery.BodyBytes > OrderTopology.MessageBytesMax)
        {
            throw new InvalidOrderException($"body has {delivery.BodyBytes} bytes, more than {OrderTopology.MessageBytesMax}");
        }

        if (body.AsSpan().TrimStart(" \t\r\n"u8) is not [(byte)'[', ..])
        {
            return [Range.All];
        }

        var parts = new List<Range>();
        var reader = new Utf8JsonReader(body);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            parts.Add(start..(int)reader.BytesConsumed);
        }

        // Only white space may follow the closing bracket; Read throws otherwise.
        reader.Read();
        return parts.Count is > 0 and <= OrdersPerMessageMax
            ? parts
            : throw new InvalidOrderException($"an array must contain 1 to {OrdersPerMessageMax} orders");
    }

    /// <summary>
    /// The message id of one order out of many; the same whether it arrives in its array or alone, as a replayed dead letter.
    /// </summary>
    public static string PartId(string messageId, int part) => string.Create(CultureInfo.InvariantCulture, $"{messageId}#{part}");

    private static string? ClickNoOf(OrderMessage message, Delivery delivery, int? index)
    {
        if (Sabotage.Is(Sabotage.NoIdempotency))
        {
            return null;
        }

        if (message.ClientOrderNo is not null || message.OrderId is not null || !delivery.Properties.IsMessageIdPresent())
        {
            return message.ClientOrderNo;
        }

        // A message id may be longer than the column and hold any characters; its hash is short and plain.
        var id = index is { } part ? PartId(delivery.Properties.MessageId!, part) : delivery.Properties.MessageId!;
        var isPlain = id.Length <= OrderLimits.ClientOrderNoLengthMax - MessageIdPrefix.Length && id.All(c => c is > ' ' and <= '~');
        return MessageIdPrefix + (isPlain ? id : CarriedProperties.HashOfId(id));
    }
}
