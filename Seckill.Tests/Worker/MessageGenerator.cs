using System.Globalization;
using System.Text;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Worker;

/// <summary>A message of the generator.</summary>
/// <param name="Properties">As bytes.</param>
/// <param name="Body">Any.</param>
/// <param name="Letters">Bodies of its dead letters if it can be read; its other orders are written.</param>
/// <param name="IsReadable">
/// False if no client can decode it as sent: then it becomes one letter as a whole, unless the broker rewrites it so that a client
/// can, as RabbitMQ 4 does with some headers.
/// </param>
internal sealed record GeneratedMessage(byte[] Properties, byte[] Body, IReadOnlyList<byte[]> Letters, bool IsReadable);

/// <summary>
/// Makes messages of every kind that a broker accepts: bodies that are orders, lists of orders, anything else, and sizes beyond every
/// limit, with properties and headers of every type and length, some of which no .NET client can decode. The same seed makes the same
/// messages.
/// </summary>
internal sealed class MessageGenerator(int seed, long skuId)
{
    private const int DepthMax = 4;
    private const int LargeEvery = 40;

    private readonly Random _random = new(seed);
    private int _count;

    /// <summary>The next message; takes good orders from the queue as it needs them.</summary>
    public GeneratedMessage Next(Queue<OrderMessage> orders)
    {
        _count++;
        var (properties, isReadable) = Properties();
        var (body, letters) = Body(orders);
        return body.Length <= OrderTopology.MessageBytesMax
            ? new GeneratedMessage(properties, body, letters, isReadable)
            : new GeneratedMessage(properties, body, [body], IsReadable: true);
    }

    private (byte[] Body, IReadOnlyList<byte[]> Letters) Body(Queue<OrderMessage> orders)
    {
        if (_count % LargeEvery == 0)
        {
            var large = Junk(
                OrderTopology.MessageBytesMax + (_random.Next(2) == 0 ? -_random.Next(1_000_000) : _random.Next(1, 3_000_000)));
            return (large, [large]);
        }

        switch (_random.Next(4))
        {
            case 0 when orders.TryDequeue(out var order):
                return (order.ToUtf8Json(), []);
            case 1:
                return Array(orders);
            case 2:
                var part = BadOrder();
                return (part, [part]);
            default:
                var junk = Junk(_random.Next(2_000));
                return (junk, [junk]);
        }
    }

    private (byte[] Body, IReadOnlyList<byte[]> Letters) Array(Queue<OrderMessage> orders)
    {
        var (parts, letters) = (new List<byte[]>(), new List<byte[]>());
        for (var i = _random.Next(2, 30); i > 0; i--)
        {
            if (_random.Next(2) == 0 && orders.TryDequeue(out var order))
            {
                parts.Add(order.ToUtf8Json());
                continue;
            }

            parts.Add(BadOrder());
            letters.Add(parts[^1]);
        }

        var text = string.Join(_random.Next(2) == 0 ? "," : " ,\n", parts.Select(Encoding.UTF8.GetString));
        return (Encoding.UTF8.GetBytes($"[{text}]"), letters);
    }

    /// <summary>JSON, but not an order. The number makes each of them different.</summary>
    private byte[] BadOrder() => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $$"""
        {"user_id":{{_random.NextInt64(1, long.MaxValue)}},"sku_id":{{skuId}},{{_random.Next(8) switch
    {
        0 => "\"quantity\":0",
        1 => "\"quantity\":99999999999999999999999",
        2 => "\"quantity\":1,\"epoch\":9223372036854775807",
        3 => "\"quantity\":1,\"reserved_at_ms\":9223372036854775807",
        4 => "\"quantity\":1,\"client_order_no\":\"\\ud800\"",
        5 => "\"quantity\":1,\"order_id\":-9223372036854775808",
        6 => "\"quantity\":[[[[{}]]]]",
        _ => "\"quantity\":1e400",
    }}}}
        """));

    /// <summary>Not an order: the first byte cannot begin JSON.</summary>
    private byte[] Junk(int length)
    {
        var bytes = Bytes(length + 9);
        bytes[0] = (byte)'#';
        return bytes;
    }

    private (byte[] Properties, bool IsReadable) Properties()
    {
        var isReadable = true;
        var headers = new List<byte>();
        for (var i = _random.Next(6); i > 0; i--)
        {
            var name = HeaderName(i);
            var isValueReadable = true;
            headers.AddRange([.. Short(name), .. Field(0, ref isValueReadable)]);
            // The broker overwrites this count when the message is redelivered.
            isReadable &= isValueReadable || name.AsSpan().SequenceEqual("x-delivery-count"u8);
        }

        var properties = new RawProperties
        {
            ContentType = Maybe(),
            Headers = _random.Next(3) == 0 ? null : [.. headers],
            CorrelationId = Maybe(),
            MessageId = Maybe(),
            Timestamp = _random.Next(2) == 0 ? null : Edge(),
            Type = Maybe(),
            AppId = Maybe(),
        };
        return (properties.ToArray(), isReadable || properties.Headers is null);
    }

    /// <summary>None, text, or bytes that are not text; up to AMQP's maximum length.</summary>
    private byte[]? Maybe() => _random.Next(4) switch
    {
        0 => null,
        1 => Encoding.ASCII.GetBytes(new string('m', _random.Next(240, 256))),
        2 => Bytes(_random.Next(256)),
        _ => Encoding.UTF8.GetBytes($"id-{_random.NextInt64()}"),
    };

    /// <summary>Names with a meaning to some software, and names without.</summary>
    private byte[] HeaderName(int i) => _random.Next(12) switch
    {
        0 => "x-death"u8.ToArray(),
        1 => "x-seckill-attempts"u8.ToArray(),
        2 => "x-seckill-first-at"u8.ToArray(),
        3 => "x-seckill-reason"u8.ToArray(),
        4 => "traceparent"u8.ToArray(),
        5 => "tracestate"u8.ToArray(),
        6 => "x-delivery-count"u8.ToArray(),
        7 => "baggage"u8.ToArray(),
        8 => Bytes(_random.Next(1, 256)),
        _ => Encoding.UTF8.GetBytes($"x-shop-{i}"),
    };

    /// <summary>A value with its type.</summary>
    private byte[] Field(int depth, ref bool isReadable)
    {
        switch (_random.Next(depth < DepthMax ? 16 : 14))
        {
            case 0: return [(byte)'S', .. Long(Bytes(_random.Next(300)))];
            case 1: return [(byte)'I', .. Bytes(4)];
            case 2: return [(byte)'T', .. RawProperties.Long(Edge())];
            case 3: return [(byte)'l', .. RawProperties.Long(Edge())];
            case 4: return [(byte)'t', (byte)_random.Next(2)];
            case 5: return [(byte)'b', .. Bytes(1)];
            case 6: return [(byte)'s', .. Bytes(2)];
            case 7: return [(byte)'d', .. Bytes(8)];
            case 8: return [(byte)'f', .. Bytes(4)];
            case 9: return [(byte)'x', .. Long(Bytes(_random.Next(300)))];
            case 10: return "V"u8.ToArray();
            case 11: return [(byte)'S', .. Long(Encoding.ASCII.GetBytes("00-11111111111111111111111111111111-2222222222222222-01"))];
            case 12: return [(byte)'S', .. Long(Encoding.ASCII.GetBytes(_random.NextInt64().ToString(CultureInfo.InvariantCulture)))];
            case 13:
                var scale = _random.Next(2) == 0 ? _random.Next(29) : _random.Next(29, 256);
                isReadable &= scale <= 28;
                return [(byte)'D', (byte)scale, .. Bytes(4)];
            case 14:
                var list = new List<byte>();
                for (var i = _random.Next(4); i > 0; i--)
                {
                    list.AddRange(Field(depth + 1, ref isReadable));
                }

                return [(byte)'A', .. Long([.. list])];
            default:
                var table = new List<byte>();
                for (var i = _random.Next(4); i > 0; i--)
                {
                    table.AddRange(Short(HeaderName(i)));
                    table.AddRange(Field(depth + 1, ref isReadable));
                }

                return [(byte)'F', .. Long([.. table])];
        }
    }

    private ulong Edge() => _random.Next(5) switch
    {
        0 => ulong.MaxValue,
        1 => long.MaxValue,
        2 => 0,
        3 => unchecked((ulong)long.MinValue),
        _ => (ulong)_random.NextInt64(),
    };

    private byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        _random.NextBytes(bytes);
        return bytes;
    }

    private static byte[] Short(byte[] value) => [(byte)value.Length, .. value];

    private static byte[] Long(byte[] value) => [.. RawProperties.Length(value), .. value];
}
