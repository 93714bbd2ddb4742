using System.Threading.Channels;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>
/// A local server between the start and the end of the AppHost. Its starts, stops and restarts take turns: a restart that fails kills every
/// process of the server, including one that another call has just started.
/// </summary>
internal sealed class LocalServerRun : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Only the newest process can still run, so it replaces one that nobody has taken.</summary>
    private readonly Channel<ServerProcess> _started =
        Channel.CreateBounded<ServerProcess>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    /// <summary>Completes when the server is no longer followed.</summary>
    public Task Followed { get; set; } = Task.CompletedTask;

    /// <summary>Starts or stops the server when no other call does.</summary>
    /// <param name="change">Starts or stops it.</param>
    /// <param name="cancellationToken">Cancels the wait for the turn; the change has tokens of its own.</param>
    public async Task InTurnAsync(Func<Task> change, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await change();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Announces a start. Call it in the turn of the start, so that the server has not been stopped yet.</summary>
    public void Announce(LocalServer server) => _started.Writer.TryWrite(new ServerProcess(server.ProcessId, server.Exited));

    /// <summary>The process of the next start.</summary>
    public ValueTask<ServerProcess> NextAsync(CancellationToken cancellationToken) => _started.Reader.ReadAsync(cancellationToken);

    public void Dispose() => _turn.Dispose();
}

/// <summary>A server's process, from one start to its end.</summary>
/// <param name="Id">Process id.</param>
/// <param name="Exited">Completes with the exit code.</param>
internal readonly record struct ServerProcess(int Id, Task<int> Exited);
