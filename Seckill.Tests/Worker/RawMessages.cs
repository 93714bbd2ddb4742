using System.Buffers.Binary;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Unreadable;

namespace Seckill.Tests.Worker;

/// <summary>Sends messages as clients in other languages can: with properties that the .NET client can neither write nor read.</summary>
internal static class RawMessages
{
    private const uint BasicPublish = (60 << 16) | 40;
    private const uint ConfirmSelect = (85 << 16) | 10;
    private const uint ConfirmSelectOk = (85 << 16) | 11;
    private const ushort BasicClass = 60;
    private const int BodyFrameBytesMax = 60_000;

    /// <summary>A decimal with more digits behind the point than .NET has.</summary>
    public static byte[] LongDecimalHeader =>
        new RawProperties { Headers = [.. RawProperties.Key("price"), (byte)'D', 40, 0, 0, 0, 1] }.ToArray();

    /// <summary>Lists in lists.</summary>
    public static byte[] NestedHeader(int depth)
    {
        var value = new byte[depth * 5];
        for (var i = 0; i < depth; i++)
        {
            value[i * 5] = (byte)'A';
            BinaryPrimitives.WriteInt32BigEndian(value.AsSpan((i * 5) + 1), 5 * (depth - i - 1));
        }

        return new RawProperties { Headers = [.. RawProperties.Key("deep"), .. value] }.ToArray();
    }

    /// <summary>A message id of any bytes.</summary>
    public static byte[] MessageId(byte[] id) => new RawProperties { MessageId = id }.ToArray();

    /// <summary>
    /// Publishes messages one after the other; returns once the broker has confirmed all of them. Without confirms it may lose the last
    /// ones, even when the connection is closed properly.
    /// </summary>
    public static async Task PublishAsync(
        AmqpTcpEndpoint broker, string connectionString, IEnumerable<(byte[] Properties, byte[] Body)> messages,
        CancellationToken cancellationToken, string exchange = OrderTopology.Exchange)
    {
        await using var connection = await RawAmqpConnection.OpenAsync(
            broker, new ConnectionFactory { Uri = new Uri(connectionString) }, cancellationToken);
        await SendAsync(RawAmqpConnection.MethodFrame, RawMethod.Of(ConfirmSelect).Byte(0).ToArray());
        Assert.Equal(ConfirmSelectOk, (await connection.ReadAsync(cancellationToken)).Method);
        var unconfirmed = new SortedSet<ulong>();
        var last = 0UL;
        var publish = RawMethod.Of(BasicPublish).Short(0).ShortString(exchange).ShortString(OrderTopology.RoutingKey).Byte(0).ToArray();
        foreach (var (properties, body) in messages)
        {
            unconfirmed.Add(++last);
            await SendAsync(RawAmqpConnection.MethodFrame, publish);
            var header = new byte[12];
            BinaryPrimitives.WriteUInt16BigEndian(header, BasicClass);
            BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(4), (ulong)body.Length);
            await SendAsync(RawAmqpConnection.HeaderFrame, [.. header, .. properties]);
            foreach (var part in body.Chunk(BodyFrameBytesMax))
            {
                await SendAsync(RawAmqpConnection.BodyFrame, part);
            }
        }

        while (unconfirmed.Count > 0)
        {
            var answer = await connection.ReadAsync(cancellationToken);
            Assert.Equal(RawMethod.BasicAck, answer.Method);
            var tag = BinaryPrimitives.ReadUInt64BigEndian(answer.Payload.AsSpan(4));
            var multiple = answer.Payload[12] != 0;
            unconfirmed.RemoveWhere(published => published == tag || (multiple && published < tag));
        }

        await connection.CloseAsync(cancellationToken);

        Task SendAsync(byte type, byte[] payload) => connection.SendFrameAsync(type, RawAmqpConnection.Channel, payload, cancellationToken);
    }
}

/// <summary>Properties as bytes.</summary>
internal sealed record RawProperties
{
    /// <summary>Short strings, each with its flag, in AMQP's order; null for none.</summary>
    public byte[]? ContentType { get; init; }

    /// <summary>A table's fields.</summary>
    public byte[]? Headers { get; init; }

    public byte[]? CorrelationId { get; init; }

    public byte[]? MessageId { get; init; }

    public ulong? Timestamp { get; init; }

    public byte[]? Type { get; init; }

    public byte[]? AppId { get; init; }

    /// <summary>A field's name.</summary>
    public static byte[] Key(string name) => [(byte)Encoding.UTF8.GetByteCount(name), .. Encoding.UTF8.GetBytes(name)];

    public byte[] ToArray()
    {
        var flags = 0;
        var bytes = new List<byte>();
        Short(0x8000, ContentType);
        Add(0x2000, Headers is null ? null : [.. Length(Headers), .. Headers]);
        Short(0x0400, CorrelationId);
        Short(0x0080, MessageId);
        Add(0x0040, Timestamp is { } time ? Long(time) : null);
        Short(0x0020, Type);
        Short(0x0008, AppId);
        return [(byte)(flags >> 8), (byte)flags, .. bytes];

        void Short(int flag, byte[]? value) => Add(flag, value is null ? null : [(byte)value.Length, .. value]);

        void Add(int flag, byte[]? value)
        {
            flags |= value is null ? 0 : flag;
            bytes.AddRange(value ?? []);
        }
    }

    public static byte[] Length(byte[] value)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, value.Length);
        return length;
    }

    public static byte[] Long(ulong value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }
}
