using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Seckill.Tests.Fixtures;

/// <summary>
/// Proxies connections to a server, like an address that can be redirected: connections can be cut or go silent, and new ones can be sent
/// to another server.
/// </summary>
internal sealed class TcpSwitch : IAsyncDisposable
{
    private const int BufferBytes = 65_536;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<TcpClient, byte> _clients = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly Task _accepting;
    private volatile int _targetPort;
    private volatile int _acceptedCount;
    private volatile int _silentCount;

    public TcpSwitch(int targetPort)
    {
        _targetPort = targetPort;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>Connections accepted so far.</summary>
    public int AcceptedCount => _acceptedCount;

    /// <summary>Sends new connections to another server; open ones stay where they are.</summary>
    public void RedirectTo(int targetPort) => _targetPort = targetPort;

    /// <summary>Closes all connections.</summary>
    public void Cut()
    {
        foreach (var client in _clients.Keys)
        {
            client.Close();
        }
    }

    /// <summary>Stops forwarding on open connections, as when the machine at the other end is gone.</summary>
    public void Freeze() => _silentCount = _acceptedCount;

    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        _listener.Stop();
        Cut();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _stopped.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync(_stopped.Token);
            _ = ServeAsync(client, Interlocked.Increment(ref _acceptedCount));
        }
    }

    private async Task ServeAsync(TcpClient client, int number)
    {
        using var server = new TcpClient();
        try
        {
            _clients.TryAdd(client, 0);
            await server.ConnectAsync(IPAddress.Loopback, _targetPort, _stopped.Token);
            client.NoDelay = server.NoDelay = true;
            await Task.WhenAny(PumpAsync(client, server, number), PumpAsync(server, client, number));
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // To the client this looks like a server that does not listen.
        }
        finally
        {
            _clients.TryRemove(client, out _);
            client.Dispose();
        }
    }

    /// <summary>Forwards one side's data until either side is gone.</summary>
    private async Task PumpAsync(TcpClient from, TcpClient to, int number)
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _stopped.Token) is > 0 and var count)
            {
                if (number > _silentCount)
                {
                    await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _stopped.Token);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            // One side is gone; closing the other one reports it there.
        }
    }
}
