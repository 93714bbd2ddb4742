namespace Seckill.Api.Errors;

/// <summary>
/// Lets through one log line a second, which tells of everything since the line before: an outage has a failure for every request.
/// </summary>
internal sealed class LogPace(TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private long _count;
    private long? _loggedAt;

    /// <summary>Counts these; returns how many a line has to tell of now, or null when it is too early for one.</summary>
    public long? Take(int count = 1)
    {
        lock (_lock)
        {
            _count += count;
            var now = time.GetTimestamp();
            if (_loggedAt is { } last && time.GetElapsedTime(last, now) < Pause)
            {
                return null;
            }

            var all = _count;
            (_count, _loggedAt) = (0, now);
            return all;
        }
    }
}
