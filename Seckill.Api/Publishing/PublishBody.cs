using System.Buffers;
using System.Text.Json;
using Seckill.Ordering.Contract;

namespace Seckill.Api.Publishing;

/// <summary>
/// The body of a message: one order in the contract's format, or a JSON array of several, each with its own trace. Its buffer is reused for
/// the next message, to avoid an allocation for each.
/// </summary>
internal sealed class PublishBody
{
    /// <summary>Typical size of one order with its punctuation, bytes; a larger one just grows the buffer.</summary>
    private const int OrderBytes = 288;

    private readonly ArrayBufferWriter<byte> _buffer = new(OrderBytes);

    /// <summary>The returned memory is valid until the next call.</summary>
    public ReadOnlyMemory<byte> Write(Publication[] orders)
    {
        _buffer.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_buffer);
        if (orders.Length == 1)
        {
            // Its trace travels in the headers, unless its span is not recorded.
            Write(json, orders[0], orders[0].Span is null);
        }
        else
        {
            json.WriteStartArray();
            foreach (var order in orders)
            {
                Write(json, order, withTrace: true);
            }

            json.WriteEndArray();
        }

        json.Flush();
        return _buffer.WrittenMemory;
    }

    private static void Write(Utf8JsonWriter json, Publication order, bool withTrace)
    {
        order.Message.TraceParent = withTrace ? order.Span?.Id ?? order.TraceParent : null;
        JsonSerializer.Serialize(json, order.Message, OrderMessageJson.Default.OrderMessage);
    }
}
