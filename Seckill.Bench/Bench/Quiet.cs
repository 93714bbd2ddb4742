using System.Diagnostics;
using System.Globalization;

namespace Seckill.Bench.Bench;

/// <summary>
/// A stage leaves work behind after its last answer: pages to flush, files to rewrite, methods to compile. It would slow the next stage
/// down (docs/performance-log.md has an example), so each measurement begins on a quiet machine, or after a bounded wait.
/// </summary>
internal static class Quiet
{
    private const double BusyShareMax = 0.1;
    private const int WindowMs = 500;
    private const int WaitMsMax = 5_000;

    /// <summary>Returns when no more than a tenth of all processors was busy for half a second, or after five seconds.</summary>
    public static async Task UntilAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var before = Read();
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < WaitMsMax)
        {
            await Task.Delay(WindowMs, cancellationToken);
            var now = Read();
            if (BusyShare(before, now) <= BusyShareMax)
            {
                return;
            }

            before = now;
        }
    }

    /// <summary>
    /// Share of the time between two readings in which a processor was busy for us, 0 to 1; time stolen by the host counts as neither.
    /// </summary>
    internal static double BusyShare((long Busy, long Idle) before, (long Busy, long Idle) now)
    {
        var (busy, idle) = (now.Busy - before.Busy, now.Idle - before.Idle);
        return busy + idle == 0 ? 0 : (double)busy / (busy + idle);
    }

    /// <summary>
    /// The first line of /proc/stat: cpu, then user, nice, system, idle, iowait, irq, softirq and more, in ticks of all processors.
    /// </summary>
    internal static (long Busy, long Idle) Parse(string line)
    {
        var ticks = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1)
            .Select(text => long.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6], ticks[3] + ticks[4]);
    }

    private static (long Busy, long Idle) Read()
    {
        using var reader = new StreamReader("/proc/stat");
        return Parse(reader.ReadLine()!);
    }
}
