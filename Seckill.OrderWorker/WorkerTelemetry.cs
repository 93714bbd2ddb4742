using System.Diagnostics;
using System.Diagnostics.Metrics;
using Seckill.Ordering.Telemetry;

namespace Seckill.OrderWorker;

/// <summary>The worker's spans and metrics.</summary>
internal static class WorkerTelemetry
{
    public static readonly ActivitySource Source = new("Seckill.OrderWorker");

    public static readonly Histogram<int> BatchSize = OrderingTelemetry.Meter.CreateHistogram<int>(
        "seckill.batch.size", "{order}", "Orders in one MySQL transaction.");

    public static readonly Histogram<double> CommitLatency = OrderingTelemetry.Meter.CreateHistogram<double>(
        "seckill.order.commit_latency", "s", "From the reservation at the gate to the commit in MySQL.");

    public static readonly Counter<long> Settlements = OrderingTelemetry.Meter.CreateCounter<long>(
        "seckill.settlements", "{order}", "Verdicts recorded in Redis, by outcome.");

    public static readonly Counter<long> DeadLetters = OrderingTelemetry.Meter.CreateCounter<long>(
        "seckill.dead_letters", "{message}", "Messages that can never become an order.");

    public static readonly Counter<long> Parked = OrderingTelemetry.Meter.CreateCounter<long>(
        "seckill.parked", "{order}", "Orders that MySQL or Redis did not accept although it accepted others; they are retried.");

    /// <summary>
    /// Starts a span without making it current: a batch has hundreds side by side, and none may become the parent of another.
    /// </summary>
    public static Activity? StartDetached(
        string name, ActivityKind kind, ActivityContext parent, DateTimeOffset startTime = default, IEnumerable<ActivityLink>? links = null)
    {
        var current = Activity.Current;
        Activity.Current = null;
        var activity = Source.StartActivity(name, kind, parent, links: links, startTime: startTime);
        Activity.Current = current;
        return activity;
    }

    /// <summary>Ends a span of <see cref="StartDetached"/> without touching the current one.</summary>
    public static void StopDetached(Activity? activity)
    {
        var current = Activity.Current;
        activity?.Dispose();
        Activity.Current = current;
    }
}
