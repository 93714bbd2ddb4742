using Seckill.Ordering.Faults;

namespace Seckill.Bench.Chaos;

/// <summary>The circumstances under which a planted bug is certain to show in a short run.</summary>
public static class PlantedBug
{
    private const int OutageMs = 3_000;
    private const int RestTimeoutMs = 20_000;

    /// <summary>Batches that the first worker writes before it dies in the middle of the next one.</summary>
    private const int BatchesBefore = 4;

    /// <summary>Longer than any run; the maximum that the options allow, ms.</summary>
    private const string NeverMs = "3600000";

    /// <summary>Narrows a run down to the events that reveal the bug.</summary>
    public static ChaosOptions Prepare(ChaosOptions options) =>
        Narrow(options.Sabotage is null ? options : options with { Disturbed = false });

    private static ChaosOptions Narrow(ChaosOptions options) => options.Sabotage switch
    {
        // Orders that are sold while the broker is down are only in the outbox. The reconciler would find these orders in their records and
        // list them again, so it is switched off here.
        Sabotage.NoOutbox => options with
        {
            Victims = [Component.RabbitMQ],
            DownMs = (OutageMs, OutageMs),
            RestTimeoutMs = RestTimeoutMs,
            Settings = With(options.Settings, "Reconciliation__EveryMs", NeverMs),
        },

        // A worker that dies between commit and ack has its batch delivered to the other one.
        Sabotage.NoIdempotency => options with
        {
            Victims = [],
            WorkerCrashAt = $"{CrashPoint.Committed}:{BatchesBefore + 1}",
            RestTimeoutMs = RestTimeoutMs,
        },

        // A worker that dies between ack and commit has its batch delivered to nobody. The reconciler would see in half a minute that
        // nobody has these orders, and republish them, so it is switched off here.
        Sabotage.AckBeforeCommit => options with
        {
            Victims = [],
            WorkerCrashAt = $"{CrashPoint.Written}:{BatchesBefore + 1}",
            RestTimeoutMs = RestTimeoutMs,
            Settings = With(options.Settings, "Reconciliation__StuckAfterMs", NeverMs),
        },
        _ => options,
    };

    private static Dictionary<string, string> With(IReadOnlyDictionary<string, string> settings, string name, string value) =>
        new(settings) { [name] = value };
}
