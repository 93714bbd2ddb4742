using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.DeadLetters;

namespace Seckill.Api.DeadLetters;

/// <summary>A message in the dead-letter queue, with the history from its headers.</summary>
internal sealed class DeadLetter
{
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
        Reason = Text(DeadLetterHeaders.Reason) ?? (broker is null ? UnknownReason : $"broker: {broker.Reason}");
        Attempts = HeaderValues.NumberOf(_properties.Headers, DeadLetterHeaders.Attempts) ?? broker?.Count ?? 1;
        FirstAt = HeaderValues.TimeOf(_properties.Headers, DeadLetterHeaders.FirstAt) ?? broker?.FirstAt;
        LastAt = HeaderValues.TimeOf(_properties.Headers, DeadLetterHeaders.LastAt) ?? broker?.LastAt;
        BodyBytes = Math.Max(Body.Length, HeaderValues.NumberOf(_properties.Headers, DeadLetterHeaders.BodyBytes) ?? 0);
        Trace = ActivityContext.TryParse(Text("traceparent"), Text("tracestate"), isRemote: true, out var trace) ? trace : default;
    }

    /// <summary>20 hex digits, with the suffix "-2" and so on for further byte-identical copies.</summary>
    public string Id { get; private set; }

    public ulong DeliveryTag { get; }

    public byte[] Body { get; }

    /// <summary>Bytes of the original body; the worker keeps only the beginning of one that is too large.</summary>
    public long BodyBytes { get; }

    public string Reason { get; }

    public long Attempts { get; }

    public DateTimeOffset? FirstAt { get; }

    public DateTimeOffset? LastAt { get; }

    /// <summary>The click's trace; default when the message carries none.</summary>
    public ActivityContext Trace { get; }

    public string? TraceId => Trace == default ? null : Trace.TraceId.ToHexString();

    /// <param name="got">The message.</param>
    /// <param name="seen">How often each id has occurred in this reading. Copies are interchangeable, so their order does not
    /// matter.</param>
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
    /// The properties to replay the message with: the original ones, as far as they may be sent, and its history, so that the worker keeps
    /// counting.
    /// </summary>
    public BasicProperties ToReplay()
    {
        // Another producer's message may have nothing that tells its copies from new orders; this id lets the worker tell them apart.
        var properties = CarriedProperties.Of(_properties, _properties.IsMessageIdPresent() ? _properties.MessageId : $"dead:{Id}");
        properties.Headers![DeadLetterHeaders.Attempts] = Attempts;
        if (FirstAt is { } first)
        {
            properties.Headers[DeadLetterHeaders.FirstAt] = first.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        }

        return properties;
    }

    /// <summary>
    /// Derived from the body and from the headers written when the message was refused. The headers that the broker adds at each delivery
    /// are left out, because they would change the id at every reading. The message id alone is not enough, because two letters can share
    /// it.
    /// </summary>
    private static string IdOf(byte[] body, IReadOnlyBasicProperties properties)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(body);
        Append(properties.MessageId ?? "");
        foreach (var name in (
            ReadOnlySpan<string>)[DeadLetterHeaders.Reason, DeadLetterHeaders.Attempts, DeadLetterHeaders.FirstAt,
            DeadLetterHeaders.LastAt])
        {
            Append(HeaderValues.TextOf(properties.Headers, name) ?? "");
        }

        var broker = BrokerDeath.Read(properties.Headers);
        Append(broker is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{broker.Reason} {broker.Count} {broker.FirstAt:O}"));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, IdBytes));

        // With a separator, so that different sequences of parts cannot give the same input.
        void Append(string text) => hash.AppendData(Encoding.UTF8.GetBytes('\0' + text));
    }

    private string? Text(string name) => HeaderValues.TextOf(_properties.Headers, name);
}
