using System.Diagnostics;
using System.Globalization;

namespace Seckill.Ordering.Faults;

/// <summary>
/// Named places between two steps at which a test may let the process die by SIGKILL, as it would by <c>kill -9</c>: no <c>finally</c>, no
/// flush. The calls exist in Debug builds only; there <c>SECKILL_CRASH_AT=name</c> arms one, <c>name:3</c> at its third passing. A process
/// that runs already is armed by the same text in the file that <c>SECKILL_CRASH_FILE</c> names: it is read at each passing.
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

    /// <summary>Dies here if this is the armed point and its turn has come.</summary>
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
            // The signal takes a moment to arrive; not one more step may be done meanwhile.
            Thread.Sleep(Timeout.Infinite);
        }
    }

    private static string Read() => string.IsNullOrEmpty(File) || !System.IO.File.Exists(File)
        ? Environment.GetEnvironmentVariable("SECKILL_CRASH_AT") ?? ""
        : System.IO.File.ReadAllText(File);

    /// <summary>Passings count from the first one that finds the point armed.</summary>
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
