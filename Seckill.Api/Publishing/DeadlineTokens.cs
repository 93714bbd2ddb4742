namespace Seckill.Api.Publishing;

/// <summary>
/// Cancellation tokens for many short operations with the same time-out. Operations that start within the same quarter of the time-out
/// share one source, so a publish needs no timer of its own. A token fires between 1 and 1.25 times the time-out. For one caller at a time.
/// </summary>
internal sealed class DeadlineTokens(TimeSpan timeout, TimeProvider time) : IDisposable
{
    private CancellationTokenSource? _current;
    private long _startedAt;

    public CancellationToken Next()
    {
        var now = time.GetTimestamp();
        if (_current is null || time.GetElapsedTime(_startedAt, now) > timeout / 4)
        {
            // The old source is left to its own timer: operations still hold its token.
            _current = new CancellationTokenSource(timeout * 1.25, time);
            _startedAt = now;
        }

        return _current.Token;
    }

    public void Dispose() => _current?.Dispose();
}
