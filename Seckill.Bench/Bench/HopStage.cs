using Seckill.Bench.Hops;
using Seckill.Bench.Load;

namespace Seckill.Bench.Bench;

/// <summary>
/// Where the time of the slowest orders goes, from the spans of our own traces, and what it costs to export traces. The spans go to a
/// receiver in this process, which takes its share of the machine as a collector beside the system would.
/// </summary>
internal static class HopStage
{
    public const string All = "hops of the orders with a trace";
    public const string Slowest = "hops of the slowest hundred";
    public const string Exporting = "accept, with traces exported";

    private const int SlowestCount = 100;
    private const string WholeRequest = "whole request in the Api";
    private const string OpenLoop = "from when the click was due";

    /// <summary>Enough orders for a tail, and so few that tracing them does not become the tail.</summary>
    private const string TracedShare = "0.05";

    /// <summary>Shortest open loop: the slowest hundred must be the tail of a few thousand traces, s.</summary>
    private const int TracedSecondsMin = 10;

    /// <summary>Rounds until most of an Api's methods are compiled for good.</summary>
    private const int WarmUpRounds = 4;

    /// <summary>How long the exporters may keep spans, ms.</summary>
    private const int ExportDelayMs = 500;

    /// <summary>After the last order, the spans must arrive within this time, ms.</summary>
    private const int SpansDeadlineMs = 20_000;

    /// <summary>Upper limits of the histogram's columns, ms; one more column has the rest.</summary>
    public static readonly IReadOnlyList<double> BucketMs = [1, 2, 5, 10, 20, 50];

    /// <summary>The name of each hop, with the slowest hundred orders counted by <see cref="BucketMs"/>.</summary>
    public static async Task<IReadOnlyList<(string Hop, int[] Counts)>> RunAsync(Contest contest, CancellationToken cancellationToken)
    {
        await using var receiver = await OtlpReceiver.StartAsync(cancellationToken);
        // As fresh as the others: an Api that has run for minutes is better compiled.
        var quiet = await contest.System.StartApiAsync(cancellationToken);
        await CostAsync(contest, quiet, "not exported", cancellationToken);
        await contest.System.StopAsync(quiet);
        var every = await contest.System.StartApiAsync(cancellationToken, ExportTo(receiver, "1"));
        await CostAsync(contest, every, "every trace exported", cancellationToken);
        await contest.System.StopAsync(every);

        var share = ExportTo(receiver, TracedShare);
        var api = await contest.System.StartApiAsync(cancellationToken, share);
        await contest.System.RestartWorkerAsync(cancellationToken, share);
        await CostAsync(contest, api, "one trace in twenty exported", cancellationToken);
        var hops = await TraceAsync(contest, api, receiver, cancellationToken);
        await contest.System.StopAsync(api);
        await contest.System.RestartWorkerAsync(cancellationToken, ("OTEL_EXPORTER_OTLP_ENDPOINT", ""));
        return hops;
    }

    private static (string, string)[] ExportTo(OtlpReceiver receiver, string share) =>
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_BSP_SCHEDULE_DELAY", $"{ExportDelayMs}"), ("OTEL_BSP_MAX_QUEUE_SIZE", "65536"), ("Tracing__KeptShare", share),
    ];

    /// <summary>Accepts with the worker paused. The Apis have just started, so the warm-up is long.</summary>
    private static async Task CostAsync(Contest contest, LocalService api, string name, CancellationToken cancellationToken)
    {
        foreach (var round in Enumerable.Repeat(contest.WarmUp, WarmUpRounds).Append(contest))
        {
            var skus = await round.Sales.OpenAsync(1, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
            await round.Sales.WarmUpAsync(api, cancellationToken);
            contest.System.Worker.Pause();
            await round.UntilQuietAsync(cancellationToken);
            var gauge = await Gauge.StartAsync(api, withAllocations: true, cancellationToken);
            var load = await round.RunAsync(round.Load(api, HttpShop.OrderPath, skus), cancellationToken);
            round.Recorder.Add(
                Exporting, name,
                await gauge.AddToAsync(Measurement.Of(load.AcceptedPerSecond, load), load.Accepted, cancellationToken));
            contest.System.Worker.Continue();
            await round.UntilSoldAsync(skus, Contest.Plenty, load.Accepted, cancellationToken);
            await round.UntilSettledAsync(skus, cancellationToken);
        }
    }

    /// <summary>An open loop at half the rate that the whole route sustains.</summary>
    private static async Task<IReadOnlyList<(string Hop, int[] Counts)>> TraceAsync(
        Contest contest, LocalService api, OtlpReceiver receiver, CancellationToken cancellationToken)
    {
        var rate = OtherStages.CapacityOf(contest, OtherStages.Durable, "database") / 2;
        var duration = TimeSpan.FromSeconds(Math.Max(TracedSecondsMin, contest.Options.Round.TotalSeconds));
        foreach (var round in new[] { contest.WarmUp, contest })
        {
            var skus = await round.Sales.OpenAsync(1, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
            await round.Sales.WarmUpAsync(api, cancellationToken);
            await round.UntilQuietAsync(cancellationToken);
            receiver.Clear();
            var load = await round.Load(api, HttpShop.OrderPath, skus).OpenAsync(rate, duration, cancellationToken);
            round.Recorder.Add(All, OpenLoop, Measurement.Of(load.AcceptedPerSecond, load));
            await round.UntilSettledAsync(skus, cancellationToken);
        }

        var orders = OrderHops.Of(await AllSpansAsync(receiver, cancellationToken));
        if (orders.Count < SlowestCount)
        {
            throw new BenchException($"Only {orders.Count} whole traces came; their exporters may have dropped some.");
        }

        var slowest = OrderHops.Slowest(orders, SlowestCount);
        Record(contest.Recorder, All, orders);
        Record(contest.Recorder, Slowest, slowest);
        return [.. OrderHops.Names.Select((name, i) => (name, CountsOf(slowest.Select(order => order.Milliseconds[i]).OfType<double>())))];
    }

    /// <summary>Waits until two export intervals bring no more spans.</summary>
    private static async Task<IReadOnlyCollection<ReceivedSpan>> AllSpansAsync(OtlpReceiver receiver, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(SpansDeadlineMs);
        for (var before = -1; receiver.Spans.Count != before;)
        {
            before = receiver.Spans.Count;
            await Task.Delay(2 * ExportDelayMs, deadline.Token);
        }

        return receiver.Spans;
    }

    private static void Record(Recorder recorder, string stage, IReadOnlyList<OrderHops> orders)
    {
        for (var i = 0; i < OrderHops.Names.Count; i++)
        {
            Add(OrderHops.Names[i], orders.Select(order => order.Milliseconds[i]).OfType<double>());
        }

        Add(WholeRequest, orders.Select(order => order.AnswerMs));

        void Add(string name, IEnumerable<double> values)
        {
            var all = values.ToArray();
            recorder.Add(stage, name, new Measurement(
                null, OrderHops.Percentile(all, 50), OrderHops.Percentile(all, 99), OrderHops.Percentile(all, 99.9)));
        }
    }

    private static int[] CountsOf(IEnumerable<double> values)
    {
        var counts = new int[BucketMs.Count + 1];
        foreach (var value in values)
        {
            counts[BucketMs.TakeWhile(limit => value >= limit).Count()]++;
        }

        return counts;
    }
}
