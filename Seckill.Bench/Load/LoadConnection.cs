using System.Net;
using System.Net.Sockets;

namespace Seckill.Bench.Load;

/// <summary>
/// One keep-alive connection that asks and is answered. A raw socket with ready-made requests, because HttpClient takes about as much of
/// the processor as the server it measures, and on one machine the two share it.
/// </summary>
internal sealed class LoadConnection : IDisposable
{
    private const int ReplyBytesMax = 16 * 1024;

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[ReplyBytesMax];
    private int _received;

    /// <summary>Connects; blocks the thread for as long as that takes.</summary>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public LoadConnection(IPEndPoint endPoint, ReadyList ready, int number)
    {
        _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            _socket.Connect(endPoint);
            _socket.Blocking = false;
            ready.Add(_socket, number);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Since when the request under way counts, a <see cref="System.Diagnostics.Stopwatch"/> timestamp.</summary>
    public long Since { get; private set; }

    /// <summary>Sends a request; the last one has been answered.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    public void Ask(byte[] request, long since)
    {
        (Since, _received) = (since, 0);
        var sent = _socket.Send(request, SocketFlags.None, out var error);
        if (sent != request.Length)
        {
            // The kernel takes many times as much as one request from a connection that has nothing else under way.
            throw new IOException($"{sent} of {request.Length} bytes were sent: {error}");
        }
    }

    /// <summary>Reads what is there; true when the reply is whole.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="InvalidDataException">The reply is malformed or too long.</exception>
    public bool TryHear(out int status)
    {
        var count = _socket.Receive(_buffer.AsSpan(_received), SocketFlags.None, out var error);
        if (count <= 0)
        {
            status = 0;
            return error == SocketError.WouldBlock ? false : throw new IOException($"The server closed the connection: {error}");
        }

        _received += count;
        if (HttpReply.TryRead(_buffer.AsSpan(0, _received), out status, out var length))
        {
            return length == _received ? true : throw new InvalidDataException("more than one reply to one request");
        }

        return _received < ReplyBytesMax ? false : throw new InvalidDataException($"a reply of more than {ReplyBytesMax} bytes");
    }

    public void Dispose() => _socket.Dispose();
}
