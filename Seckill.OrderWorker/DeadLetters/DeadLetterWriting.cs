using System.Globalization;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.DeadLetters;

/// <summary>What goes to the broker for a letter, and where.</summary>
internal delegate (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) WriteLetter(
    DeadLetter letter, DateTimeOffset now);

/// <summary>Writes a dead letter, or a parked order, as it goes to the broker.</summary>
internal static class DeadLetterWriting
{
    /// <summary>Bytes of the body in a letter that is sent bare.</summary>
    public const int BareBodyBytesMax = 65_536;

    /// <summary>Characters of a reason; headers share one frame with the rest.</summary>
    private const int ReasonLengthMax = 500;

    /// <summary>Characters of an id that may stand in a bare letter as it is; others are hashed.</summary>
    private const int BareIdLengthMax = OrderLimits.ClientOrderNoLengthMax;

    /// <summary>With everything of the original that may be sent.</summary>
    public static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) Whole(
        DeadLetter letter, DateTimeOffset now)
    {
        var properties = CarriedProperties.Of(letter.Delivery.Properties, IdOf(letter));
        Describe(letter, now, properties.Headers!);
        if (letter.Part is null && letter.Delivery.BodyBytes > letter.Body.Length)
        {
            properties.Headers![DeadLetterHeaders.BodyBytes] = letter.Delivery.BodyBytes;
        }

        return (OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, properties, letter.Body);
    }

    /// <summary>With nothing that a producer wrote but the beginning of the body: for a letter that could not be sent as it was.</summary>
    public static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) Bare(
        DeadLetter letter, DateTimeOffset now)
    {
        var properties = BareProperties(letter, now);
        var bodyBytes = letter.Part is null ? letter.Delivery.BodyBytes : letter.Body.Length;
        if (bodyBytes > Math.Min(letter.Body.Length, BareBodyBytesMax))
        {
            properties.Headers![DeadLetterHeaders.BodyBytes] = bodyBytes;
        }

        var body = letter.Body[..Math.Min(letter.Body.Length, BareBodyBytesMax)];
        return (OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, properties, body);
    }

    /// <summary>An order to be parked, with everything of the original that may be sent.</summary>
    public static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) Parked(
        DeadLetter letter, DateTimeOffset now)
    {
        var properties = CarriedProperties.Of(letter.Delivery.Properties, IdOf(letter));
        Describe(letter, now, properties.Headers!);
        return Parked(letter, properties, now);
    }

    /// <summary>The same for one that could not be sent so: the whole body, and of the properties the id.</summary>
    public static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) ParkedBare(
        DeadLetter letter, DateTimeOffset now) =>
        Parked(letter, BareProperties(letter, now), now);

    private static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) Parked(
        DeadLetter letter, BasicProperties properties, DateTimeOffset now)
    {
        var since = HeaderValues.TimeOf(letter.Delivery.Properties.Headers, DeadLetterHeaders.ParkedAt) ?? now;
        properties.Headers![DeadLetterHeaders.ParkedAt] = since.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        return ("", OrderTopology.ParkedQueue, properties, letter.Body);
    }

    private static BasicProperties BareProperties(DeadLetter letter, DateTimeOffset now)
    {
        var headers = new Dictionary<string, object?>();
        Describe(letter, now, headers);
        var id = IdOf(letter);
        var isPlain = id?.Length <= BareIdLengthMax && id.All(c => c is > ' ' and <= '~');
        return new BasicProperties
        {
            Persistent = true,
            MessageId = id is null || isPlain ? id : CarriedProperties.HashOfId(id),
            Headers = headers,
        };
    }

    /// <summary>The parts of a message of many must not be taken for copies of each other when they come back one by one.</summary>
    private static string? IdOf(DeadLetter letter) => letter.Delivery.Properties.MessageId is not { } id ? null
        : letter.Part is { } part ? OrderIntake.PartId(id, part)
        : id;

    private static void Describe(DeadLetter letter, DateTimeOffset now, IDictionary<string, object?> headers)
    {
        var before = letter.Delivery.Properties.Headers;
        var nowText = now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        headers[DeadLetterHeaders.Reason] = HeaderValues.Cut(letter.Reason, ReasonLengthMax);
        headers[DeadLetterHeaders.Attempts] = Math.Min(HeaderValues.NumberOf(before, DeadLetterHeaders.Attempts) ?? 0, long.MaxValue - 1)
            + 1;
        headers[DeadLetterHeaders.FirstAt] =
            HeaderValues.TimeOf(before, DeadLetterHeaders.FirstAt)?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture) ?? nowText;
        headers[DeadLetterHeaders.LastAt] = nowText;
    }
}
