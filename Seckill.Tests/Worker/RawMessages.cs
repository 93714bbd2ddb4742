using System.Buffers.Binary;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Unreadable;

namespace Seckill.Tests.Worker;

/// <summary>Sends messages as clients in other languages can: with properties that this one neither writes nor reads.</summary>
internal static class RawMessages
{
    private const uint BasicPublish = (60 << 16) | 40;
    private const ushort BasicClass = 60;
    private const ushort HeadersFlag = 0x2000;
    private const ushort MessageIdFlag = 0x0080;

    /// <summary>A decimal with more digits behind the point than .NET has.</summary>
    public static byte[] LongDecimalHeader => Headers([.. Key("price"), (byte)'D', 40, 0, 0, 0, 1]);

    /// <summary>Lists in lists.</summary>
    public static byte[] NestedHeader(int depth)
    {
        var value = new byte[depth * 5];
        for (var i = 0; i < depth; i++)
        {
            value[i * 5] = (byte)'A';
            BinaryPrimitives.WriteInt32BigEndian(value.AsSpan((i * 5) + 1), 5 * (depth - i - 1));
        }

        return Headers([.. Key("deep"), .. value]);
    }

    /// <summary>A message id of any bytes.</summary>
    public static byte[] MessageId(byte[] id) => [.. Flags(MessageIdFlag), (byte)id.Length, .. id];

    /// <summary>Publishes to the order queue; returns once the broker has it.</summary>
    public static async Task PublishAsync(
        IConnection broker, string connectionString, byte[] properties, byte[] body, CancellationToken cancellationToken,
        string exchange = OrderTopology.Exchange)
    {
        await using var connection = await RawAmqpConnection.OpenAsync(
            broker.Endpoint, new ConnectionFactory { Uri = new Uri(connectionString) }, cancellationToken);
        var publish = RawMethod.Of(BasicPublish).Short(0).ShortString(exchange).ShortString(OrderTopology.RoutingKey).Byte(0);
        await connection.SendFrameAsync(RawAmqpConnection.MethodFrame, RawAmqpConnection.Channel, publish.ToArray(), cancellationToken);
        var header = new byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(header, BasicClass);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(4), (ulong)body.Length);
        await connection.SendFrameAsync(
            RawAmqpConnection.HeaderFrame, RawAmqpConnection.Channel, (byte[])[.. header, .. properties], cancellationToken);
        foreach (var part in body.Chunk(60_000))
        {
            await connection.SendFrameAsync(RawAmqpConnection.BodyFrame, RawAmqpConnection.Channel, part, cancellationToken);
        }

        await connection.CloseAsync(cancellationToken);
    }

    private static byte[] Headers(byte[] table)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, table.Length);
        return [.. Flags(HeadersFlag), .. length, .. table];
    }

    private static byte[] Flags(ushort flags) => [(byte)(flags >> 8), (byte)flags];

    private static byte[] Key(string name) => [(byte)name.Length, .. Encoding.UTF8.GetBytes(name)];
}
