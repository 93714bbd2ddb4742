using System.Diagnostics;

namespace Seckill.Bench.Load;

/// <summary>
/// Load over HTTP from many connections. Closed loop: each connection sends again as soon as it has an answer; shows the system's capacity.
/// Open loop: requests are due at a fixed rate whether or not the last was answered, and latency counts from then; shows what buyers
/// experience. (A closed loop lets a stalled server stop its own measurement: "coordinated omission", Gil Tene.)
/// </summary>
/// <param name="shop">The address under load.</param>
/// <param name="requests">Taken in turn, and again from the start.</param>
/// <param name="connectionCount">Keep-alive connections.</param>
public sealed class HttpLoad(HttpShop shop, IReadOnlyList<byte[]> requests, int connectionCount)
{
    /// <summary>If the load has not ended this long after the last request was due, the server has stalled for good.</summary>
    private const int StallTimeoutMs = 60_000;

    /// <summary>Longest load of a number of requests, ms.</summary>
    private const int CountTimeoutMs = 600_000;

    /// <summary>
    /// A quarter of the cores: sending a request and reading its answer takes much less time than a shop needs for its quickest answer
    /// (docs/performance-log.md).
    /// </summary>
    private readonly int _threadCount = Math.Clamp(Environment.ProcessorCount / 4, 1, connectionCount);

    private long _next = -1;

    /// <summary>Closed loop for a fixed time.</summary>
    public Task<LoadResult> ClosedAsync(TimeSpan duration, CancellationToken cancellationToken) =>
        RunAsync(
            (_, started) => new ClosedPace(started, duration, long.MaxValue), null, duration + TimeSpan.FromMilliseconds(StallTimeoutMs),
            cancellationToken);

    /// <summary>Closed loop with a fixed number of requests.</summary>
    /// <param name="count">Requests.</param>
    /// <param name="answered">Called from several threads after each answer, with its status.</param>
    /// <param name="cancellationToken">Stops the load.</param>
    public Task<LoadResult> ClosedAsync(long count, Action<int>? answered, CancellationToken cancellationToken) => RunAsync(
        (thread, started) => new ClosedPace(started, TimeSpan.MaxValue, ShareOf(count, thread)), answered,
        TimeSpan.FromMilliseconds(CountTimeoutMs), cancellationToken);

    /// <summary>Open loop at a fixed rate.</summary>
    public Task<LoadResult> OpenAsync(double requestsPerSecond, TimeSpan duration, CancellationToken cancellationToken)
    {
        var total = (long)(requestsPerSecond * duration.TotalSeconds);
        return RunAsync(
            (thread, started) => new OpenPace(started, requestsPerSecond, ShareOf(total, thread), thread, _threadCount),
            null, duration + TimeSpan.FromMilliseconds(StallTimeoutMs), cancellationToken);
    }

    private long ShareOf(long total, int thread) => (total + _threadCount - 1 - thread) / _threadCount;

    private async Task<LoadResult> RunAsync(
        Func<int, long, LoadPace> paceOf, Action<int>? answered, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        var threads = Enumerable.Range(0, _threadCount).Select(_ => new LoadThread(shop.EndPoint, Next)).ToArray();
        try
        {
            await Task.WhenAll(threads.Select((thread, i) => thread.ConnectAsync((int)ShareOf(connectionCount, i), deadline.Token)));
            var started = Stopwatch.GetTimestamp();
            var counts = await Task.WhenAll(threads.Select((thread, i) => thread.RunAsync(paceOf(i, started), answered, deadline.Token)));
            return LoadCounts.Sum(counts, Stopwatch.GetElapsedTime(started));
        }
        finally
        {
            Array.ForEach(threads, thread => thread.Dispose());
        }
    }

    private byte[] Next() => requests[(int)((ulong)Interlocked.Increment(ref _next) % (ulong)requests.Count)];
}
