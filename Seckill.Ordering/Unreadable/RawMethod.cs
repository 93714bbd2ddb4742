using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Seckill.Ordering.Unreadable;

/// <summary>Builds a method of AMQP 0-9-1: class and method id, then its arguments in order.</summary>
internal sealed class RawMethod
{
    public const uint ConnectionStart = (10 << 16) | 10;
    public const uint ConnectionStartOk = (10 << 16) | 11;
    public const uint ConnectionTune = (10 << 16) | 30;
    public const uint ConnectionTuneOk = (10 << 16) | 31;
    public const uint ConnectionOpen = (10 << 16) | 40;
    public const uint ConnectionOpenOk = (10 << 16) | 41;
    public const uint ConnectionClose = (10 << 16) | 50;
    public const uint ConnectionCloseOk = (10 << 16) | 51;
    public const uint ChannelOpen = (20 << 16) | 10;
    public const uint ChannelOpenOk = (20 << 16) | 11;
    public const uint ChannelClose = (20 << 16) | 40;
    public const uint ChannelCloseOk = (20 << 16) | 41;
    public const uint BasicGet = (60 << 16) | 70;
    public const uint BasicGetOk = (60 << 16) | 71;
    public const uint BasicGetEmpty = (60 << 16) | 72;
    public const uint BasicAck = (60 << 16) | 80;
    public const uint BasicReject = (60 << 16) | 90;

    private readonly ArrayBufferWriter<byte> _buffer = new();

    private RawMethod()
    {
    }

    public static RawMethod Of(uint method) => new RawMethod().Long(method);

    public RawMethod Byte(byte value) => Bytes([value]);

    public RawMethod Short(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer.GetSpan(2), value);
        _buffer.Advance(2);
        return this;
    }

    public RawMethod Long(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.GetSpan(4), value);
        _buffer.Advance(4);
        return this;
    }

    public RawMethod LongLong(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
        return this;
    }

    public RawMethod ShortString(string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        return Byte(checked((byte)bytes.Length)).Bytes(bytes);
    }

    public RawMethod LongString(string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        return Long((uint)bytes.Length).Bytes(bytes);
    }

    public RawMethod Bytes(ReadOnlySpan<byte> value)
    {
        _buffer.Write(value);
        return this;
    }

    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();
}
