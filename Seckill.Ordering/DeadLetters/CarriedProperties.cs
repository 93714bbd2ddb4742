using System.Security.Cryptography;
using System.Text;
using RabbitMQ.Client;

namespace Seckill.Ordering.DeadLetters;

/// <summary>
/// The properties of a message that is published again, as a dead letter or as a replay of one. A message may arrive with anything in its
/// properties, and some values cannot be sent: a short string longer than 255 bytes of UTF-8 (decoding a shorter one that is not valid
/// UTF-8 can produce it); a user id that is not ours; headers that the broker acts on. Properties useless to an operator are dropped too.
/// </summary>
public static class CarriedProperties
{
    /// <summary>Bytes of UTF-8 in a short string: ids, types and the names of headers.</summary>
    public const int ShortStringBytesMax = 255;

    /// <summary>
    /// Maximum bytes of all headers together. They share one frame, of 128 KiB unless the broker sets a lower limit, with what is added to
    /// them.
    /// </summary>
    public const int HeaderBytesMax = 32_768;

    /// <summary>Bytes of one header besides its name and value: name's length, type, value's length.</summary>
    private const int HeaderOverheadBytes = 6;

    private const int IdHashLength = 48;

    /// <summary>Persistent, and without an expiration, which could make the message vanish.</summary>
    public static BasicProperties Of(IReadOnlyBasicProperties original, string? messageId)
    {
        var headers = new Dictionary<string, object?>();
        var bytes = 0;
        foreach (var (name, value) in original.Headers ?? new Dictionary<string, object?>())
        {
            var nameBytes = Encoding.UTF8.GetByteCount(name);
            if (nameBytes > ShortStringBytesMax || IsBrokers(name) || DeadLetterHeaders.All.Contains(name)
                || BytesOf(value) is not { } valueBytes)
            {
                continue;
            }

            var size = nameBytes + valueBytes + HeaderOverheadBytes;
            if (bytes + size <= HeaderBytesMax)
            {
                headers[name] = value;
                bytes += size;
            }
        }

        return new BasicProperties
        {
            Persistent = true,
            ContentType = ShortOrNull(original.ContentType),
            ContentEncoding = ShortOrNull(original.ContentEncoding),
            CorrelationId = ShortOrNull(original.CorrelationId),
            MessageId = messageId is null ? null : FitId(messageId),
            Timestamp = original.Timestamp,
            Type = ShortOrNull(original.Type),
            AppId = ShortOrNull(original.AppId),
            Headers = headers,
        };
    }

    /// <summary>
    /// The id, or its hash if it is too long to be sent. The worker identifies an order that has no other number by this same hash, so a
    /// replay is still the same order.
    /// </summary>
    public static string FitId(string messageId) =>
        Encoding.UTF8.GetByteCount(messageId) <= ShortStringBytesMax ? messageId : HashOfId(messageId);

    /// <summary>48 hex digits.</summary>
    public static string HashOfId(string messageId) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(messageId)))[..IdHashLength];

    private static string? ShortOrNull(string? text) =>
        text is not null && Encoding.UTF8.GetByteCount(text) <= ShortStringBytesMax ? text : null;

    /// <summary>
    /// Headers that belong to the delivery rather than the message, that would route a copy elsewhere, or that the client sets itself.
    /// </summary>
    private static bool IsBrokers(string name) =>
        name is "x-delivery-count" or "x-acquired-count" or "x-death" or "CC" or "BCC" or Constants.PublishSequenceNumberHeader
        || name.StartsWith("x-first-death-", StringComparison.Ordinal)
        || name.StartsWith("x-last-death-", StringComparison.Ordinal);

    /// <summary>Null for a value that is not carried: tables and lists, which can be nested without limit, and null itself.</summary>
    private static int? BytesOf(object? value) => value switch
    {
        byte[] bytes => bytes.Length,
        string text => Encoding.UTF8.GetByteCount(text),
        bool or byte or sbyte or short or ushort or int or uint or long or float or double or AmqpTimestamp => sizeof(long),
        _ => null,
    };
}
