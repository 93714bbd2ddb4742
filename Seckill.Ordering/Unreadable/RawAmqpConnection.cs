using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using RabbitMQ.Client;

namespace Seckill.Ordering.Unreadable;

/// <summary>A message as received: properties undecoded, and only the beginning of the body kept.</summary>
/// <param name="DeliveryTag">Needed to settle the message.</param>
/// <param name="Properties">Property flags and properties in AMQP's encoding.</param>
/// <param name="BodyBytes">Bytes of the whole body.</param>
/// <param name="BodyHead">The beginning of the body.</param>
internal sealed record RawMessage(ulong DeliveryTag, byte[] Properties, ulong BodyBytes, byte[] BodyHead);

/// <summary>
/// The part of AMQP 0-9-1 needed to take messages off a queue without decoding them. The client library decodes each message's properties.
/// It drops its connection over properties that it cannot decode or over a body above its limit, and then no message behind that one is
/// ever delivered. Not thread-safe: one caller at a time. Messages that are not settled at the end go back to the queue.
/// </summary>
internal sealed class RawAmqpConnection : IAsyncDisposable
{
    internal const ushort Channel = 1;
    internal const byte MethodFrame = 1;
    internal const byte HeaderFrame = 2;
    internal const byte BodyFrame = 3;

    private const byte HeartbeatFrame = 8;
    private const byte FrameEnd = 0xCE;

    /// <summary>Class, weight and body size precede the properties.</summary>
    private const int PropertiesOffset = 12;

    /// <summary>Larger than any frame that a broker sends by default (128 KiB).</summary>
    private const uint FrameBytesMax = 1_048_576;

    private readonly TcpClient _tcp;
    private readonly Stream _stream;

    private RawAmqpConnection(TcpClient tcp, Stream stream) => (_tcp, _stream) = (tcp, stream);

    internal readonly record struct Frame(byte Type, byte[] Payload)
    {
        public uint Method => Type == MethodFrame ? BinaryPrimitives.ReadUInt32BigEndian(Payload) : 0;
    }

    /// <summary>Connects and opens a channel.</summary>
    /// <param name="endpoint">One of the factory's brokers.</param>
    /// <param name="factory">Supplies the account and the virtual host.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<RawAmqpConnection> OpenAsync(
        AmqpTcpEndpoint endpoint, IConnectionFactory factory, CancellationToken cancellationToken)
    {
        var tcp = new TcpClient { NoDelay = true };
        try
        {
            await tcp.ConnectAsync(endpoint.HostName, endpoint.Port, cancellationToken);
            var stream = await SecureAsync(tcp.GetStream(), endpoint.Ssl, cancellationToken);
            var connection = new RawAmqpConnection(tcp, new BufferedStream(stream, 65_536));
            await connection.HandshakeAsync(factory, cancellationToken);
            return connection;
        }
        catch
        {
            tcp.Dispose();
            throw;
        }
    }

    /// <summary>The next message of a queue; null when it is empty.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="bodyHeadBytesMax">Bytes of the body to keep.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<RawMessage?> GetAsync(string queue, int bodyHeadBytesMax, CancellationToken cancellationToken)
    {
        await SendAsync(Channel, RawMethod.Of(RawMethod.BasicGet).Short(0).ShortString(queue).Byte(0), cancellationToken);
        var answer = await ReadAsync(cancellationToken);
        if (answer.Method == RawMethod.BasicGetEmpty)
        {
            return null;
        }

        Expect(answer, RawMethod.BasicGetOk);
        var tag = BinaryPrimitives.ReadUInt64BigEndian(answer.Payload.AsSpan(4));
        var header = await ReadAsync(cancellationToken);
        if (header.Type != HeaderFrame || header.Payload.Length < PropertiesOffset)
        {
            throw new IOException("The broker sent no content header.");
        }

        var bodyBytes = BinaryPrimitives.ReadUInt64BigEndian(header.Payload.AsSpan(4));
        var head = new byte[Math.Min(bodyBytes, (ulong)bodyHeadBytesMax)];
        for (var read = 0UL; read < bodyBytes;)
        {
            var body = await ReadAsync(cancellationToken);
            if (body.Type != BodyFrame)
            {
                throw new IOException("The broker sent a shorter body than announced.");
            }

            if (read < (ulong)head.Length)
            {
                body.Payload.AsSpan(0, (int)Math.Min((ulong)body.Payload.Length, (ulong)head.Length - read)).CopyTo(head.AsSpan((int)read));
            }

            read += (ulong)body.Payload.Length;
        }

        return new RawMessage(tag, header.Payload[PropertiesOffset..], bodyBytes, head);
    }

    /// <summary>Removes a message from the queue for good.</summary>
    public Task AckAsync(ulong deliveryTag, CancellationToken cancellationToken) =>
        SendAsync(Channel, RawMethod.Of(RawMethod.BasicAck).LongLong(deliveryTag).Byte(0), cancellationToken);

    /// <summary>Lets the broker dead-letter a message.</summary>
    public Task RejectAsync(ulong deliveryTag, CancellationToken cancellationToken) =>
        SendAsync(Channel, RawMethod.Of(RawMethod.BasicReject).LongLong(deliveryTag).Byte(0), cancellationToken);

    /// <summary>Closes the connection gracefully: the broker has then applied all settlements and requeued the other messages.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        // The channel first: its answer comes after the queue has processed the acks.
        await SendAsync(Channel, RawMethod.Of(RawMethod.ChannelClose).Short(200).ShortString("done").Long(0), cancellationToken);
        Expect(await ReadAsync(cancellationToken), RawMethod.ChannelCloseOk);
        await SendAsync(0, RawMethod.Of(RawMethod.ConnectionClose).Short(200).ShortString("done").Long(0), cancellationToken);
        Expect(await ReadAsync(cancellationToken), RawMethod.ConnectionCloseOk);
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        _tcp.Dispose();
    }

    private static async Task<Stream> SecureAsync(NetworkStream stream, SslOption tls, CancellationToken cancellationToken)
    {
        if (!tls.Enabled)
        {
            return stream;
        }

        var secure = new SslStream(stream);
        await secure.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = tls.ServerName,
                ClientCertificates = tls.Certs,
                EnabledSslProtocols = tls.Version,
                LocalCertificateSelectionCallback = tls.CertificateSelectionCallback,
                RemoteCertificateValidationCallback = tls.CertificateValidationCallback
                    ?? ((_, _, _, errors) => (errors & ~tls.AcceptablePolicyErrors) == SslPolicyErrors.None),
            },
            cancellationToken);
        return secure;
    }

    private async Task HandshakeAsync(IConnectionFactory factory, CancellationToken cancellationToken)
    {
        await _stream.WriteAsync("AMQP\0\0\u0009\u0001"u8.ToArray(), cancellationToken);
        await _stream.FlushAsync(cancellationToken);
        Expect(await ReadAsync(cancellationToken), RawMethod.ConnectionStart);
        var (user, password) = factory.CredentialsProvider is { } provider
            && await provider.GetCredentialsAsync(cancellationToken) is { } given
            ? (given.UserName, given.Password)
            : (factory.UserName, factory.Password);
        await SendAsync(
            0,
            RawMethod.Of(RawMethod.ConnectionStartOk).Long(0).ShortString("PLAIN").LongString($"\0{user}\0{password}").ShortString("en_US"),
            cancellationToken);
        var tune = await ReadAsync(cancellationToken);
        Expect(tune, RawMethod.ConnectionTune);
        // Uses the broker's own limits and no heartbeat: every call has a deadline.
        await SendAsync(0, RawMethod.Of(RawMethod.ConnectionTuneOk).Bytes(tune.Payload.AsSpan(4, 6)).Short(0), cancellationToken);
        await SendAsync(0, RawMethod.Of(RawMethod.ConnectionOpen).ShortString(factory.VirtualHost).Byte(0).Byte(0), cancellationToken);
        Expect(await ReadAsync(cancellationToken), RawMethod.ConnectionOpenOk);
        await SendAsync(Channel, RawMethod.Of(RawMethod.ChannelOpen).Byte(0), cancellationToken);
        Expect(await ReadAsync(cancellationToken), RawMethod.ChannelOpenOk);
    }

    private static void Expect(Frame frame, uint method)
    {
        if (frame.Method != method)
        {
            throw new IOException(frame.Method is RawMethod.ConnectionClose or RawMethod.ChannelClose
                ? $"The broker refused: {Encoding.UTF8.GetString(frame.Payload.AsSpan(7, frame.Payload[6]))}"
                : $"The broker sent frame type {frame.Type}, method {frame.Method:x8}, not method {method:x8}.");
        }
    }

    private Task SendAsync(ushort channel, RawMethod method, CancellationToken cancellationToken) =>
        SendFrameAsync(MethodFrame, channel, method.ToArray(), cancellationToken);

    /// <summary>Sends one frame.</summary>
    internal async Task SendFrameAsync(byte type, ushort channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        var frame = new byte[7 + payload.Length + 1];
        frame[0] = type;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), channel);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(3), payload.Length);
        payload.Span.CopyTo(frame.AsSpan(7));
        frame[^1] = FrameEnd;
        await _stream.WriteAsync(frame, cancellationToken);
        await _stream.FlushAsync(cancellationToken);
    }

    /// <summary>The next frame that is not a heartbeat.</summary>
    internal async Task<Frame> ReadAsync(CancellationToken cancellationToken)
    {
        var head = new byte[7];
        while (true)
        {
            await _stream.ReadExactlyAsync(head, cancellationToken);
            var length = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(3));
            if (length > FrameBytesMax)
            {
                throw new IOException($"The broker sent a frame of {length} bytes, or data that is not AMQP.");
            }

            var payload = new byte[length + 1];
            await _stream.ReadExactlyAsync(payload, cancellationToken);
            if (payload[^1] != FrameEnd)
            {
                throw new IOException("A frame from the broker has no end marker.");
            }

            if (head[0] != HeartbeatFrame)
            {
                return new Frame(head[0], payload[..^1]);
            }
        }
    }
}
