using System.Diagnostics;
using System.Threading.Channels;

namespace Seckill.Bench.Load;

/// <summary>
/// Load over HTTP from many connections. Closed loop: each connection asks again as soon as it has an answer; shows what the system can do.
/// Open loop: requests are due at a fixed rate whether the last was answered or not, and wait from then on; shows what buyers feel (without
/// that a stalled server stops its own measurement: "coordinated omission", Gil Tene).
/// </summary>
/// <param name="shop">Where to.</param>
/// <param name="requests">Taken in turn, and again from the start.</param>
/// <param name="connectionCount">Keep-alive connections.</param>
public sealed class HttpLoad(HttpShop shop, IReadOnlyList<byte[]> requests, int connectionCount)
{
    /// <summary>Without an end this long after the last request was due, the server has stalled for good.</summary>
    private const int StallTimeoutMs = 60_000;

    /// <summary>Longest load of a number of requests, ms.</summary>
    private const int CountTimeoutMs = 600_000;

    private long _next = -1;

    /// <summary>As fast as the answers come, for a time.</summary>
    public Task<LoadResult> ClosedAsync(TimeSpan duration, CancellationToken cancellationToken) => ClosedAsync(duration, long.MaxValue, null, cancellationToken);

    /// <summary>As fast as the answers come, a number of requests.</summary>
    /// <param name="count">Requests.</param>
    /// <param name="answered">Called from many threads after each answer, with its status.</param>
    /// <param name="cancellationToken">Stops the load.</param>
    public Task<LoadResult> ClosedAsync(long count, Action<int>? answered, CancellationToken cancellationToken) =>
        ClosedAsync(TimeSpan.MaxValue, count, answered, cancellationToken);

    /// <summary>At a fixed rate.</summary>
    public async Task<LoadResult> OpenAsync(double requestsPerSecond, TimeSpan duration, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(duration + TimeSpan.FromMilliseconds(StallTimeoutMs));
        var total = (long)(requestsPerSecond * duration.TotalSeconds);
        // Bounded by the number of requests there will be: a stalled server must not slow the clock of the crowd.
        var due = Channel.CreateBounded<long>(new BoundedChannelOptions((int)Math.Min(total, int.MaxValue)) { SingleWriter = true });
        var counts = Counts();
        using var connections = await OpenConnectionsAsync(cancellationToken);
        var started = Stopwatch.GetTimestamp();
        var asking = connections.Select((connection, i) => Task.Run(
            async () =>
            {
                await foreach (var dueAt in due.Reader.ReadAllAsync(deadline.Token))
                {
                    var status = await connection.AskAsync(Next(), deadline.Token);
                    counts[i].Add(status, Stopwatch.GetElapsedTime(dueAt).TotalMicroseconds);
                }
            }, cancellationToken)).ToArray();
        await PaceAsync(due.Writer, requestsPerSecond, total, started, deadline.Token);
        await Task.WhenAll(asking);
        return LoadCounts.Sum(counts, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>Releases what has become due, about every millisecond; how late it is itself counts as latency, for every system alike.</summary>
    private static async Task PaceAsync(ChannelWriter<long> due, double requestsPerSecond, long total, long started, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        var ticksEach = Stopwatch.Frequency / requestsPerSecond;
        for (long released = 0; released < total;)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            var now = Stopwatch.GetTimestamp();
            for (; released < total && started + (long)(released * ticksEach) <= now; released++)
            {
                await due.WriteAsync(started + (long)(released * ticksEach), cancellationToken);
            }
        }

        due.Complete();
    }

    private async Task<LoadResult> ClosedAsync(TimeSpan duration, long count, Action<int>? answered, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(duration == TimeSpan.MaxValue ? TimeSpan.FromMilliseconds(CountTimeoutMs) : duration + TimeSpan.FromMilliseconds(StallTimeoutMs));
        var counts = Counts();
        using var connections = await OpenConnectionsAsync(cancellationToken);
        var started = Stopwatch.GetTimestamp();
        var left = count;
        await Task.WhenAll(connections.Select((connection, i) => Task.Run(
            async () =>
            {
                while (Stopwatch.GetElapsedTime(started) < duration && Interlocked.Decrement(ref left) >= 0)
                {
                    var asked = Stopwatch.GetTimestamp();
                    var status = await connection.AskAsync(Next(), deadline.Token);
                    counts[i].Add(status, Stopwatch.GetElapsedTime(asked).TotalMicroseconds);
                    answered?.Invoke(status);
                }
            }, cancellationToken)));
        return LoadCounts.Sum(counts, Stopwatch.GetElapsedTime(started));
    }

    private LoadCounts[] Counts() => [.. Enumerable.Range(0, connectionCount).Select(_ => new LoadCounts())];

    private ReadOnlyMemory<byte> Next() => requests[(int)((ulong)Interlocked.Increment(ref _next) % (ulong)requests.Count)];

    private async Task<ConnectionSet> OpenConnectionsAsync(CancellationToken cancellationToken)
    {
        var connections = new ConnectionSet();
        try
        {
            for (var i = 0; i < connectionCount; i++)
            {
                connections.Add(await LoadConnection.OpenAsync(shop.EndPoint, cancellationToken));
            }

            return connections;
        }
        catch
        {
            connections.Dispose();
            throw;
        }
    }

    private sealed class ConnectionSet : List<LoadConnection>, IDisposable
    {
        public void Dispose() => ForEach(connection => connection.Dispose());
    }
}
