using System.Globalization;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.DeadLetters;

/// <summary>Builds the message for a letter and names its destination.</summary>
internal delegate (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) WriteLetter(
    DeadLetter letter, DateTimeOffset now);

/// <summary>Builds the message for a dead letter or a parked order.</summary>
internal static class DeadLetterWriting
{
    /// <summary>Most bytes of the body in a bare letter.</summary>
    public const int BareBodyBytesMax = 65_536;

    /// <summary>Most characters of a reason; all headers share one frame.</summary>
    private const int ReasonLengthMax = 500;

    /// <summary>Longest id that a bare letter carries unchanged, characters; longer ids are hashed.</summary>
    private const int BareIdLengthMax = OrderLimits.ClientOrderNoLengthMax;

    /// <summary>A letter with all of the original's properties that may be sent.</summary>
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

    /// <summary>
    /// A letter without the producer's data except the beginning of the body: for a letter that could not be sent whole.
    /// </summary>
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

    /// <summary>A parked order with all of the original's properties that may be sent.</summary>
    public static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) Parked(
        DeadLetter letter, DateTimeOffset now)
    {
        var properties = CarriedProperties.Of(letter.Delivery.Properties, IdOf(letter));
        Describe(letter, now, properties.Headers!);
        return Parked(letter, properties, now);
    }

    /// <summary>A parked order that could not be sent with its properties: the whole body, and only the message id.</summary>
    public static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) ParkedBare(
        DeadLetter letter, DateTimeOffset now) =>
        Parked(letter, BareProperties(letter, now), now);

    private static (string Exchange, string RoutingKey, BasicProperties Properties, ReadOnlyMemory<byte> Body) Parked(
        DeadLetter letter, BasicProperties properties, DateTimeOffset now)
    {
        var since = letter.Delivery.ParkedSince(now) ?? now;
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

    /// <summary>
    /// Gives each part of a message of many its own id, so that replayed parts are not taken for duplicates of each other.
    /// </summary>
    private static string? IdOf(DeadLetter letter) => letter.Delivery.Properties.MessageId is not { } id ? null
        : letter.Part is { } part ? OrderIntake.PartId(id, part)
        : id;

    private static void Describe(DeadLetter letter, DateTimeOffset now, IDictionary<string, object?> headers)
    {
        var before = letter.Delivery.Properties.Headers;
        var nowText = now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        headers[DeadLetterHeaders.Reason] = HeaderValues.Cut(letter.Reason, ReasonLengthMax);
        headers[DeadLetterHeaders.Attempts] = Math.Min(letter.Delivery.RefusalCount, long.MaxValue - 1) + 1;
        headers[DeadLetterHeaders.FirstAt] =
            HeaderValues.TimeOf(before, DeadLetterHeaders.FirstAt)?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture) ?? nowText;
        headers[DeadLetterHeaders.LastAt] = nowText;
    }
}
