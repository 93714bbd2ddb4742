using System.Net;
using System.Net.Sockets;

namespace Seckill.Bench.Load;

/// <summary>
/// One keep-alive connection that asks and waits. A raw socket with ready-made requests, because HttpClient takes about as much of the
/// processor as the server it measures, and on one machine the two share it.
/// </summary>
internal sealed class LoadConnection(Socket socket) : IDisposable
{
    private const int ReplyBytesMax = 16 * 1024;

    private readonly byte[] _buffer = new byte[ReplyBytesMax];

    public static async Task<LoadConnection> OpenAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken);
            return new LoadConnection(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends a request and returns the reply's status.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="InvalidDataException">The reply is malformed or too long.</exception>
    public async ValueTask<int> AskAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        for (var sent = 0; sent < request.Length;)
        {
            sent += await socket.SendAsync(request[sent..], SocketFlags.None, cancellationToken);
        }

        for (var received = 0; received < _buffer.Length;)
        {
            var count = await socket.ReceiveAsync(_buffer.AsMemory(received), SocketFlags.None, cancellationToken);
            if (count == 0)
            {
                throw new IOException("The server closed the connection.");
            }

            received += count;
            if (HttpReply.TryRead(_buffer.AsSpan(0, received), out var status, out var length))
            {
                return length == received ? status : throw new InvalidDataException("more than one reply to one request");
            }
        }

        throw new InvalidDataException($"a reply of more than {ReplyBytesMax} bytes");
    }

    public void Dispose() => socket.Dispose();
}
