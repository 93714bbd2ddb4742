using System.Diagnostics;
using Seckill.Bench.Load;
using Seckill.Bench.Textbook;

namespace Seckill.Bench.Bench;

/// <summary>The open loop, the designs inside the database, and the soak.</summary>
internal static class OtherStages
{
    public const string Open = "open loop at half of what the whole route holds";
    public const string OpenAtGate = "open loop at half of what the gate alone accepts";
    public const string Durable = "durable orders, click to commit";
    public const string DurableCpu = "CPU of a durable order, by process";
    public const string EmptyEndpoint = "empty endpoint, same login";

    private const int SoakSampleEveryMs = 5_000;
    private const double SoakShare = 0.25;

    /// <summary>
    /// The latency that buyers see while the worker writes: at half the rate of the whole route into MySQL, and, since a rush is
    /// shorter than the queue, at half the rate that the gate accepts while the worker is stopped, which may be nearly all that the
    /// whole route can take. The latter is not a target, and a run of one round leaves it out to stay short.
    /// </summary>
    public static async Task OpenLoopAsync(Contest contest, CancellationToken cancellationToken)
    {
        contest.System.Worker.Continue();
        var sku = await contest.Sales.OpenAsync(1, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
        var route = CapacityOf(contest, Durable, "database") / 2;
        var gate = CapacityOf(contest, RouteStages.Accept, "route") / 2;
        (string, double, string, string)[] loads =
        [
            (Open, route, Contest.Ours, HttpShop.OrderPath), (Open, route, EmptyEndpoint, HttpShop.BaselinePath),
            (OpenAtGate, gate, Contest.Ours, HttpShop.OrderPath),
        ];
        foreach (var (stage, rate, name, path) in contest.Options.Rounds == 1 ? loads[..2] : loads)
        {
            await contest.UntilQuietAsync(cancellationToken);
            var load = await contest.Load(contest.System.Api, path, sku).OpenAsync(rate, contest.Options.Round, cancellationToken);
            contest.Recorder.Add(stage, name, Measurement.Of(load.AcceptedPerSecond, load));
            await contest.UntilSettledAsync(sku, cancellationToken);
        }
    }

    /// <summary>
    /// Each of the three designs inside the request, and our whole route: orders committed in MySQL, from the first click to the last
    /// commit.
    /// </summary>
    public static async Task DatabaseAsync(Contest contest, CancellationToken cancellationToken)
    {
        contest.System.Worker.Continue();
        var ours = await contest.Sales.OpenAsync(1, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
        await contest.UntilQuietAsync(cancellationToken);
        var processes = contest.System.Processes;
        var before = processes.Select(process => Gauge.CpuSecondsOf(process.ProcessId)).ToArray();
        var started = Stopwatch.GetTimestamp();
        var load = await contest.RunAsync(contest.Load(contest.System.Api, HttpShop.OrderPath, ours), cancellationToken);
        await contest.UntilSoldAsync(ours, Contest.Plenty, load.Accepted, cancellationToken);
        contest.Recorder.Add(Durable, Contest.Ours, Measurement.Of(load.Accepted / Stopwatch.GetElapsedTime(started).TotalSeconds, load));
        await contest.UntilSettledAsync(ours, cancellationToken);
        foreach (var ((name, id), cpuSeconds) in processes.Zip(before))
        {
            contest.Recorder.Add(
                DurableCpu, name, new Measurement(null, CpuUs: (Gauge.CpuSecondsOf(id) - cpuSeconds) * 1e6 / load.Accepted));
        }

        foreach (var design in TextbookApi.DatabaseDesigns)
        {
            var service = await contest.DesignAsync(design, cancellationToken);
            var sku = await contest.Sales.OpenTextbookAsync(Contest.Plenty, cancellationToken);
            await contest.UntilQuietAsync(cancellationToken);
            var result = await contest.RunAsync(contest.Load(service, HttpShop.OrderPath, sku), cancellationToken);
            contest.Recorder.Add(Durable, design, Measurement.Of(result.AcceptedPerSecond, result));
        }
    }

    /// <summary>A quarter of capacity for minutes: memory must not grow.</summary>
    public static async Task SoakAsync(Contest contest, Action<string> tell, CancellationToken cancellationToken)
    {
        contest.System.Worker.Continue();
        var duration = TimeSpan.FromMinutes(contest.Options.SoakMinutes);
        var skus = await contest.Sales.OpenAsync(10, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
        var load = contest.Load(contest.System.Api, HttpShop.OrderPath, skus).OpenAsync(
            CapacityOf(contest, RouteStages.Accept, "route") * SoakShare, duration, cancellationToken);
        var started = Stopwatch.GetTimestamp();
        while (!load.IsCompleted)
        {
            foreach (var (name, service) in new (string, LocalService)[] { ("Api", contest.System.Api), ("worker", contest.System.Worker) })
            {
                contest.Recorder.Add(
                    "soak: resident memory", name,
                    new Measurement(Gauge.ResidentMiB(service.ProcessId), Seconds: Stopwatch.GetElapsedTime(started).TotalSeconds));
            }

            await Task.WhenAny(load, Task.Delay(SoakSampleEveryMs, cancellationToken));
        }

        var result = await load;
        tell($"{result.Accepted:N0} orders in {result.Elapsed.TotalSeconds:0} s, p99 {result.LatencyMs(99):0.0} ms");
        await contest.UntilSoldAsync(skus, Contest.Plenty, result.Accepted, cancellationToken);
    }

    /// <summary>The rate that an earlier stage has measured, per second.</summary>
    public static double CapacityOf(Contest contest, string measured, string stage) =>
        contest.Recorder.MedianOf(measured, Contest.Ours)?.PerSecond
        ?? throw new BenchException($"The open loop, the hops and the soak need a capacity that the stage '{stage}' measures: run it too.");
}
