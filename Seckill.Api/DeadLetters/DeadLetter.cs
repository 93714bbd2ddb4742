using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using RabbitMQ.Client;

namespace Seckill.Api.DeadLetters;

/// <summary>A message as it lies in the dead-letter queue, with what its headers say of its fate.</summary>
internal sealed class DeadLetter
{
    public const string ReasonHeader = "x-seckill-reason";
    public const string AttemptsHeader = "x-seckill-attempts";
    public const string FirstAtHeader = "x-seckill-first-at";
    public const string LastAtHeader = "x-seckill-last-at";
    public const string BrokerHeader = "x-death";

    private const string UnknownReason = "unknown";
    private const int IdBytes = 10;

    private readonly IReadOnlyBasicProperties _properties;

    private DeadLetter(BasicGetResult got)
    {
        DeliveryTag = got.DeliveryTag;
        Body = got.Body.ToArray();
        _properties = got.BasicProperties;
        Id = IdOf(Body, _properties);
        var broker = BrokerDeath.Read(_properties.Headers);
        Reason = Text(ReasonHeader) ?? (broker is null ? UnknownReason : $"broker: {broker.Reason}");
        Attempts = Number(AttemptsHeader) ?? broker?.Count ?? 1;
        FirstAt = Time(FirstAtHeader) ?? broker?.FirstAt;
        LastAt = Time(LastAtHeader) ?? broker?.LastAt;
        Trace = ActivityContext.TryParse(Text("traceparent"), Text("tracestate"), isRemote: true, out var trace) ? trace : default;
    }

    /// <summary>20 hex digits, with "-2" and so on behind for further copies that are alike to the last byte.</summary>
    public string Id { get; private set; }

    public ulong DeliveryTag { get; }

    public byte[] Body { get; }

    public string Reason { get; }

    public long Attempts { get; }

    public DateTimeOffset? FirstAt { get; }

    public DateTimeOffset? LastAt { get; }

    /// <summary>The click's trace; default when the message carries none.</summary>
    public ActivityContext Trace { get; }

    public string? TraceId => Trace == default ? null : Trace.TraceId.ToHexString();

    /// <param name="got">The message.</param>
    /// <param name="seen">How often each id was seen in this reading. Copies are interchangeable, so their order does not matter.</param>
    public static DeadLetter Read(BasicGetResult got, Dictionary<string, int> seen)
    {
        var letter = new DeadLetter(got);
        var copy = seen[letter.Id] = seen.GetValueOrDefault(letter.Id) + 1;
        if (copy > 1)
        {
            letter.Id = string.Create(CultureInfo.InvariantCulture, $"{letter.Id}-{copy}");
        }

        return letter;
    }

    /// <summary>
    /// What to publish when it is replayed: the message as it was, with its history, so that the worker counts on. An expiration would let
    /// it vanish, a user id is refused when it is not ours, and the broker's notes are about its former life.
    /// </summary>
    public BasicProperties ToReplay()
    {
        var headers = new Dictionary<string, object?>();
        foreach (var (name, value) in _properties.Headers ?? new Dictionary<string, object?>())
        {
            if (!IsBrokers(name))
            {
                headers[name] = value;
            }
        }

        headers[AttemptsHeader] = Attempts;
        if (FirstAt is { } first)
        {
            headers[FirstAtHeader] = first.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        }

        return new BasicProperties
        {
            Persistent = true,
            ContentType = _properties.ContentType,
            ContentEncoding = _properties.ContentEncoding,
            CorrelationId = _properties.CorrelationId,
            // Another producer's message may have nothing that tells its copies from new orders; with this the worker can.
            MessageId = _properties.IsMessageIdPresent() ? _properties.MessageId : $"dead:{Id}",
            Timestamp = _properties.Timestamp,
            Type = _properties.Type,
            AppId = _properties.AppId,
            Headers = headers,
        };
    }

    /// <summary>
    /// From the body and what was written into the message when it was refused. Not from what the broker adds at each delivery, which would
    /// make a new id at every look; and not the message id alone, which two letters can share.
    /// </summary>
    private static string IdOf(byte[] body, IReadOnlyBasicProperties properties)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(body);
        Append(properties.MessageId ?? "");
        foreach (var name in (ReadOnlySpan<string>)[ReasonHeader, AttemptsHeader, FirstAtHeader, LastAtHeader])
        {
            Append(HeaderText(properties.Headers, name) ?? "");
        }

        var broker = BrokerDeath.Read(properties.Headers);
        Append(broker is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{broker.Reason} {broker.Count} {broker.FirstAt:O}"));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, IdBytes));

        // With a separator, so that no two different sequences of parts read alike.
        void Append(string text) => hash.AppendData(Encoding.UTF8.GetBytes('\0' + text));
    }

    /// <summary>Headers that the broker sets or acts on, and the client's own.</summary>
    private static bool IsBrokers(string name) =>
        name is "x-delivery-count" or "x-acquired-count" or BrokerHeader or "CC" or "BCC" or Constants.PublishSequenceNumberHeader
        || name.StartsWith("x-first-death-", StringComparison.Ordinal)
        || name.StartsWith("x-last-death-", StringComparison.Ordinal);

    private string? Text(string name) => HeaderText(_properties.Headers, name);

    private long? Number(string name) =>
        long.TryParse(Text(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private DateTimeOffset? Time(string name) =>
        DateTimeOffset.TryParse(Text(name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    /// <summary>Strings arrive as bytes, numbers in whatever width the producer chose.</summary>
    internal static string? HeaderText(IDictionary<string, object?>? headers, string name) =>
        headers?.TryGetValue(name, out var value) != true ? null
        : value is byte[] bytes ? Encoding.UTF8.GetString(bytes)
        : Convert.ToString(value, CultureInfo.InvariantCulture);
}

/// <summary>What the broker noted when it dead-lettered a message itself.</summary>
/// <param name="Reason">rejected, expired, maxlen or delivery_limit.</param>
/// <param name="Count">How often, over all queues and reasons.</param>
/// <param name="FirstAt">The oldest note; null without one.</param>
/// <param name="LastAt">The newest note; null without one.</param>
internal sealed record BrokerDeath(string Reason, long Count, DateTimeOffset? FirstAt, DateTimeOffset? LastAt)
{
    /// <summary>Reads the header x-death, newest entry first; null when the broker did not dead-letter the message.</summary>
    public static BrokerDeath? Read(IDictionary<string, object?>? headers)
    {
        if (headers?.TryGetValue(DeadLetter.BrokerHeader, out var value) != true || value is not IList<object?> { Count: > 0 } list)
        {
            return null;
        }

        var entries = list.OfType<IDictionary<string, object?>>().ToList();
        var times = entries
            .Select(entry => entry.TryGetValue("time", out var time) && time is AmqpTimestamp stamp
                ? DateTimeOffset.FromUnixTimeSeconds(stamp.UnixTime)
                : (DateTimeOffset?)null)
            .ToList();
        var count = entries.Sum(
            entry => entry.TryGetValue("count", out var n) && n is long or int ? Convert.ToInt64(n, CultureInfo.InvariantCulture) : 1);
        return entries.Count == 0
            ? null
            : new BrokerDeath(DeadLetter.HeaderText(entries[0], "reason") ?? "unknown", count, times.Min(), times.Max());
    }
}
