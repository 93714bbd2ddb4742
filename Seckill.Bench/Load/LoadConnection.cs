using System.Net;
using System.Net.Sockets;

namespace Seckill.Bench.Load;

/// <summary>
/// One keep-alive connection: a raw socket with ready-made requests, because HttpClient takes about as much CPU time as the server it
/// measures, and the two share one machine.
/// </summary>
internal sealed class LoadConnection : IDisposable
{
    private const int ReplyBytesMax = 16 * 1024;

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[ReplyBytesMax];
    private int _received;

    /// <summary>Connects; blocks the thread for as long as that takes.</summary>
    /// <exception cref="SocketException">Nothing listens there.</exception>
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

    /// <summary>Time from which the current request's latency counts, a <see cref="System.Diagnostics.Stopwatch"/> timestamp.</summary>
    public long Since { get; private set; }

    /// <summary>Sends a request; the last one must have been answered.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    public void Ask(byte[] request, long since)
    {
        (Since, _received) = (since, 0);
        var sent = _socket.Send(request, SocketFlags.None, out var error);
        if (sent != request.Length)
        {
            // An idle connection's send buffer is many times larger than one request.
            throw new IOException($"{sent} of {request.Length} bytes were sent: {error}");
        }
    }

    /// <summary>Reads available bytes; true when the reply is complete.</summary>
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
