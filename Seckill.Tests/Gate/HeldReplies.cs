using System.Net;
using System.Net.Sockets;

namespace Seckill.Tests.Gate;

/// <summary>
/// A proxy between a client and its server that passes everything on, except the server's answers while it holds them.
/// </summary>
internal sealed class HeldReplies : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly EndPoint _server;
    private readonly Task _accepting;
    private volatile TaskCompletionSource _open = Opened();
    private int _heldCount;

    public HeldReplies(string server)
    {
        _server = IPEndPoint.Parse(server);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => _listener.LocalEndpoint.ToString()!;

    /// <summary>Answers, or parts of them, that are currently held.</summary>
    public int HeldCount => Volatile.Read(ref _heldCount);

    public void Hold() => _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release() => _open.TrySetResult();

    /// <summary>Passes on the held answers and holds the following ones.</summary>
    public void ReleaseHeld()
    {
        var open = _open;
        Hold();
        open.TrySetResult();
    }

    public async ValueTask DisposeAsync()
    {
        Release();
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private static TaskCompletionSource Opened()
    {
        var open = new TaskCompletionSource();
        open.SetResult();
        return open;
    }

    private async Task AcceptAsync()
    {
        var passing = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_end.Token);
                var server = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await server.ConnectAsync(_server, _end.Token);
                passing.Add(PassAsync(client, server, areAnswers: false));
                passing.Add(PassAsync(server, client, areAnswers: true));
            }
        }
        finally
        {
            await Task.WhenAll(passing);
        }
    }

    private async Task PassAsync(Socket from, Socket to, bool areAnswers)
    {
        using var _ = from;
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _end.Token) is > 0 and var count)
            {
                if (areAnswers)
                {
                    // Requests are not counted: a test would take one on its way to the server for an answer.
                    Interlocked.Increment(ref _heldCount);
                    await _open.Task.WaitAsync(_end.Token);
                    Interlocked.Decrement(ref _heldCount);
                }

                await to.SendAsync(buffer.AsMemory(0, count), _end.Token);
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One side has closed the connection, or the test is over.
        }
    }
}
