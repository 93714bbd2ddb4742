using System.Diagnostics;

namespace Seckill.LocalServers;

/// <summary>Waits for a condition, never longer than a deadline.</summary>
public static class Deadline
{
    /// <summary>Long, because only a failing test waits for all of it.</summary>
    public const int TimeoutMs = 60_000;

    private const int PollIntervalMsMin = 50;
    private const int PollIntervalMsMax = 500;

    /// <summary>The next read follows after an eighth of the time waited so far, so that a long wait costs few reads.</summary>
    private const int PollShare = 8;

    /// <summary>The first value that satisfies the condition.</summary>
    /// <exception cref="TimeoutException">There was none in time.</exception>
    public static async Task<T> UntilAsync<T>(
        Func<Task<T>> read, Func<T, bool> condition, CancellationToken cancellationToken, int timeoutMs = TimeoutMs)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var value = await read();
            if (condition(value))
            {
                return value;
            }

            var waitedMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            if (waitedMs > timeoutMs)
            {
                throw new TimeoutException($"Not within {timeoutMs} ms; the last value was {value}.");
            }

            await Task.Delay((int)Math.Clamp(waitedMs / PollShare, PollIntervalMsMin, PollIntervalMsMax), cancellationToken);
        }
    }
}
