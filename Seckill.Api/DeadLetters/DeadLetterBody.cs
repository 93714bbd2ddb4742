using System.Globalization;
using System.Text;
using System.Text.Json;
using Seckill.Ordering.Contract;

namespace Seckill.Api.DeadLetters;

/// <summary>Reads a body leniently: a dead letter may be invalid in any way.</summary>
internal static class DeadLetterBody
{
    /// <summary>The beginning of the body as text; invalid UTF-8 shows as replacement characters.</summary>
    public static string TextOf(byte[] body, int bytesMax) => Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, bytesMax)));

    /// <summary>
    /// Splits a batch message into its orders, each as its own body, since the broker dead-letters whole messages. Anything else is one
    /// part.
    /// </summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>> PartsOf(ReadOnlyMemory<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body.Span);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            {
                return [body];
            }

            // Split by bytes: invalid text in one of them does not hide the others.
            var parts = new List<ReadOnlyMemory<byte>>();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                parts.Add(body[start..(int)reader.BytesConsumed]);
            }

            return parts;
        }
        catch (JsonException)
        {
            return [body];
        }
    }

    /// <summary>The order ids in a message of one order or of many.</summary>
    public static IEnumerable<string> OrderIdsOf(ReadOnlyMemory<byte> body) =>
        PartsOf(body).Select(part => OrderOf(part)?.OrderId).OfType<string>();

    /// <summary>The members that can be read; null when the body is not a JSON object.</summary>
    public static DeadLetterOrder? OrderOf(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind != JsonValueKind.Object
                ? null
                : new DeadLetterOrder(
                    Id(document.RootElement, "user_id"),
                    Id(document.RootElement, "sku_id"),
                    Number(document.RootElement, "quantity"),
                    document.RootElement.TryGetProperty("client_order_no", out var click) && click.ValueKind == JsonValueKind.String
                        ? click.GetString()
                        : null,
                    Id(document.RootElement, "order_id"));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Not JSON, or a string that is not valid text: the operator sees the raw body.
            return null;
        }
    }

    /// <summary>The order, if it follows the contract exactly; otherwise null.</summary>
    public static OrderMessage? ValidOrderOf(ReadOnlyMemory<byte> body)
    {
        try
        {
            return OrderMessage.Parse(body.Span);
        }
        catch (Exception exception) when (exception is InvalidOrderException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? Id(JsonElement order, string name) => Number(order, name)?.ToString(CultureInfo.InvariantCulture);

    private static long? Number(JsonElement order, string name) =>
        order.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.Number && member.TryGetInt64(out var number)
            ? number
            : null;
}
