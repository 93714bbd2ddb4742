using System.Text.Json;
using System.Text.Json.Serialization;

namespace Seckill.Ordering.Contract;

/// <summary>
/// The body on <see cref="OrderTopology.Queue"/>: UTF-8 JSON. The first four members are those of every producer; the others are ours, and
/// absent from another producer's message.
/// </summary>
public sealed record OrderMessage
{
    /// <summary>The end of the year 9999.</summary>
    private const long ReservedAtMsMax = 253_402_300_799_999;

    /// <summary>The largest number that Redis's scripts count exactly: 2^53 - 1.</summary>
    private const long EpochMax = 9_007_199_254_740_991;

    private const int TraceParentLengthMax = 55;

    /// <summary>The buyer; 1 or more.</summary>
    [JsonPropertyName("user_id"), JsonRequired]
    public long UserId { get; init; }

    /// <summary>The SKU; 1 or more.</summary>
    [JsonPropertyName("sku_id"), JsonRequired]
    public long SkuId { get; init; }

    /// <summary>Units; 1 to <see cref="OrderLimits.QuantityMax"/>.</summary>
    [JsonPropertyName("quantity"), JsonRequired]
    public int Quantity { get; init; }

    /// <summary>The buyer's own number for the click, at most <see cref="OrderLimits.ClientOrderNoLengthMax"/> characters.</summary>
    [JsonPropertyName("client_order_no"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ClientOrderNo { get; init; }

    /// <summary>Snowflake id from the gate; null in another producer's message.</summary>
    [JsonPropertyName("order_id"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? OrderId { get; init; }

    /// <summary>Redis time of the reservation, milliseconds since 1970 UTC; null in another producer's message.</summary>
    [JsonPropertyName("reserved_at_ms"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? ReservedAtMs { get; init; }

    /// <summary>Which load of the gate's stock counter the reservation was deducted from; null in another producer's message.</summary>
    [JsonPropertyName("epoch"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Epoch { get; init; }

    /// <summary>
    /// W3C traceparent of the order's own trace, for a message of many orders, whose headers can name only one trace. At most
    /// <see cref="TraceParentLengthMax"/> characters; an invalid value does no harm. The publisher sets it once it knows the span.
    /// </summary>
    [JsonPropertyName("traceparent"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? TraceParent { get; set; }

    /// <summary>
    /// The offer that the click was accepted under, as <see cref="Contract.Offer.Text"/>; null in another producer's message, whose order
    /// is charged the SKU's price at the time of writing.
    /// </summary>
    [JsonPropertyName("offer"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Offer { get; init; }

    public byte[] ToUtf8Json() => JsonSerializer.SerializeToUtf8Bytes(this, OrderMessageJson.Default.OrderMessage);

    /// <summary>Reads and checks a body.</summary>
    /// <exception cref="InvalidOrderException">The body can never become an order; the message says why.</exception>
    public static OrderMessage Parse(ReadOnlySpan<byte> utf8Json)
    {
        OrderMessage? message;
        try
        {
            message = JsonSerializer.Deserialize(utf8Json, OrderMessageJson.Default.OrderMessage);
        }
        catch (JsonException exception)
        {
            throw new InvalidOrderException($"malformed body: {exception.Message}", exception);
        }

        if (message is null)
        {
            throw new InvalidOrderException("malformed body: null");
        }

        message = message.WithOfferOfTrace();
        var fault = OrderLimits.Validate(message.UserId, message.SkuId, message.Quantity, message.ClientOrderNo)
            ?? (message.OrderId is <= 0 ? "order_id must be positive"
                // A time outside the calendar must not throw later, where it would look like an outage and be retried forever.
                : message.ReservedAtMs is < 0 or > ReservedAtMsMax ? "reserved_at_ms is out of range"
                : message.Epoch is < 0 or > EpochMax ? "epoch is out of range"
                : message.TraceParent is { Length: > TraceParentLengthMax } ? "traceparent is too long"
                : message.Offer is not null && !Contract.Offer.TryParse(message.Offer, out _) ? "offer is malformed"
                : null);
        return fault is null ? message : throw new InvalidOrderException(fault);
    }

    /// <summary>
    /// An instance from before offers existed, when it publishes a newer instance's reservation, sends the record's whole field as the
    /// traceparent, see <see cref="Contract.Offer.SplitTrace"/>.
    /// </summary>
    private OrderMessage WithOfferOfTrace()
    {
        if (TraceParent is null)
        {
            return this;
        }

        var (trace, offer) = Contract.Offer.SplitTrace(TraceParent);
        return Contract.Offer.TryParse(offer, out _) ? this with { TraceParent = trace, Offer = Offer ?? offer } : this;
    }
}

/// <summary>A message that can never become an order (poison); the exception's message is the reason shown to operators.</summary>
public sealed class InvalidOrderException : Exception
{
    public InvalidOrderException()
    {
    }

    public InvalidOrderException(string message) : base(message)
    {
    }

    public InvalidOrderException(string message, Exception innerException) : base(message, innerException)
    {
    }
}

/// <summary>Source-generated: no reflection on the hot path; duplicate members count as malformed.</summary>
[JsonSourceGenerationOptions(AllowDuplicateProperties = false)]
[JsonSerializable(typeof(OrderMessage))]
public sealed partial class OrderMessageJson : JsonSerializerContext;
