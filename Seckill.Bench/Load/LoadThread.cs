using System.Diagnostics;
using System.Net;

namespace Seckill.Bench.Load;

/// <summary>A thread that serves many connections in turn, so that no answer waits for a thread to be woken.</summary>
internal sealed class LoadThread(IPEndPoint endPoint, Func<byte[]> next) : IDisposable
{
    private readonly ReadyList _ready = new();
    private readonly List<LoadConnection> _connections = [];

    /// <exception cref="System.Net.Sockets.SocketException">Nothing listens there.</exception>
    public Task ConnectAsync(int connectionCount, CancellationToken cancellationToken) => OnThreadOfItsOwnAsync(
        () =>
        {
            for (var i = 0; i < connectionCount; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                _connections.Add(new LoadConnection(endPoint, _ready, i));
            }

            return connectionCount;
        },
        cancellationToken);

    /// <summary>Sends until the pace ends and everything is answered.</summary>
    /// <exception cref="IOException">A connection broke.</exception>
    public Task<LoadCounts> RunAsync(LoadPace pace, Action<int>? answered, CancellationToken cancellationToken) =>
        OnThreadOfItsOwnAsync(() => Run(pace, answered, cancellationToken), cancellationToken);

    public void Dispose()
    {
        _connections.ForEach(connection => connection.Dispose());
        _ready.Dispose();
    }

    private static Task<T> OnThreadOfItsOwnAsync<T>(Func<T> work, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(
            work, cancellationToken, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);

    private LoadCounts Run(LoadPace pace, Action<int>? answered, CancellationToken cancellationToken)
    {
        // First in, first out, so that all connections are used evenly.
        var idle = new Queue<int>(Enumerable.Range(0, _connections.Count));
        var heard = new List<int>();
        var counts = new LoadCounts();
        while (true)
        {
            while (idle.Count > 0 && pace.TryTake(out var since))
            {
                _connections[idle.Dequeue()].Ask(next(), since);
            }

            if (idle.Count == _connections.Count && pace.IsOver)
            {
                return counts;
            }

            _ready.Wait(heard, pace.WaitMs(idle.Count > 0));
            foreach (var number in heard)
            {
                if (_connections[number].TryHear(out var status))
                {
                    counts.Add(status, Stopwatch.GetElapsedTime(_connections[number].Since).TotalMicroseconds);
                    idle.Enqueue(number);
                    answered?.Invoke(status);
                }
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
