using System.Diagnostics;
using System.Globalization;

namespace Seckill.Ordering.Faults;

/// <summary>
/// Named places between two steps at which a test can kill the process with SIGKILL, as <c>kill -9</c> does: no <c>finally</c>, no flush.
/// The calls exist only in Debug builds. There <c>SECKILL_CRASH_AT=name</c> arms one, and <c>name:3</c> arms it for the third pass. A
/// running process is armed by the same text in the file named by <c>SECKILL_CRASH_FILE</c>, which is read at each pass.
/// </summary>
public static class CrashPoint
{
    // The gate
    public const string Reserved = "reserved";
    public const string Published = "published";
    public const string Confirmed = "confirmed";
    public const string OutboxMarked = "outbox-marked";
    public const string Swept = "swept";
    public const string GateClosed = "gate-closed";
    public const string BuyersRestored = "buyers-restored";
    public const string StockLoaded = "stock-loaded";

    // The worker
    public const string Received = "received";
    public const string Written = "written";
    public const string Committed = "committed";
    public const string Settled = "settled";
    public const string DeadLettered = "dead-lettered";
    public const string Acked = "acked";

    // Operators
    public const string RejectionWritten = "rejection-written";
    public const string AbandonSettled = "abandon-settled";
    public const string Replayed = "replayed";
    public const string SaleChanged = "sale-changed";

    private static readonly string? File = Environment.GetEnvironmentVariable("SECKILL_CRASH_FILE");
    private static readonly Lock Passing = new();
    private static string? _armed;
    private static string _name = "";
    private static int _passingsLeft;

    /// <summary>Kills the process if this is the armed point and the count is reached.</summary>
    [Conditional("CRASH_POINTS")]
    public static void Reach(string name)
    {
        lock (Passing)
        {
            Arm(Read());
            if (name != _name || --_passingsLeft != 0)
            {
                return;
            }

            using var self = Process.GetCurrentProcess();
            self.Kill();
            // The signal takes a moment to arrive; no further step may run meanwhile.
            Thread.Sleep(Timeout.Infinite);
        }
    }

    private static string Read() => string.IsNullOrEmpty(File) || !System.IO.File.Exists(File)
        ? Environment.GetEnvironmentVariable("SECKILL_CRASH_AT") ?? ""
        : System.IO.File.ReadAllText(File);

    /// <summary>Passes are counted from the first one at which the point is armed.</summary>
    private static void Arm(string point)
    {
        if (point != _armed)
        {
            var parts = point.Split(':');
            _armed = point;
            _name = parts[0];
            _passingsLeft = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 1;
        }
    }
}
