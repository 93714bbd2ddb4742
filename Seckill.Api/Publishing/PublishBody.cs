using System.Buffers;
using System.Text.Json;
using Seckill.Ordering.Contract;

namespace Seckill.Api.Publishing;

/// <summary>
/// The body of a message: one order as the contract has it, or a JSON array of several, each with its own trace. Its buffer serves one
/// message after another: 395 bytes for each order of a full message became 106.
/// </summary>
internal sealed class PublishBody
{
    /// <summary>One order with its punctuation, bytes, as most are; more only makes the buffer grow.</summary>
    private const int OrderBytes = 288;

    private readonly ArrayBufferWriter<byte> _buffer = new(OrderBytes);

    /// <summary>Good until the next call.</summary>
    public ReadOnlyMemory<byte> Write(Publication[] orders)
    {
        _buffer.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_buffer);
        if (orders.Length == 1)
        {
            // Its trace travels in the headers, unless nobody records it.
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
