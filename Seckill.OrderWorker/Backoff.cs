namespace Seckill.OrderWorker;

/// <summary>
/// Waits between tries. The wait doubles from the first to the longest; each is stretched or shrunk by up to half so that workers do not
/// retry in step.
/// </summary>
internal sealed class Backoff(WorkerOptions options, TimeProvider time)
{
    private int _delayMs = options.RetryDelayMs;

    /// <summary>Tries that failed since the last success.</summary>
    public int FailureCount { get; private set; }

    public void Reset()
    {
        FailureCount = 0;
        _delayMs = options.RetryDelayMs;
    }

    /// <summary>Waits before the next try; false when <paramref name="quit"/> ended the wait.</summary>
    public async Task<bool> WaitAsync(CancellationToken quit)
    {
        FailureCount++;
        var jittered = TimeSpan.FromMilliseconds(_delayMs * (0.5 + Random.Shared.NextDouble()));
        _delayMs = Math.Min(_delayMs * 2, Math.Max(options.RetryDelayMs, options.RetryDelayMsMax));
        await Task.Delay(jittered, time, quit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !quit.IsCancellationRequested;
    }
}
