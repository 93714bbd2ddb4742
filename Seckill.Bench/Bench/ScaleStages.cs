using System.Diagnostics;
using System.Globalization;
using Seckill.Bench.Load;

namespace Seckill.Bench.Bench;

/// <summary>The cost of an order as the number of SKUs and the backlog grow.</summary>
internal static class ScaleStages
{
    private static readonly int[] SkuCounts = [1, 100, 1_000, 10_000];

    /// <summary>Parts of the backlog; the first one is the warm-up, so the worker is already running when its measurement begins.</summary>
    private const int PartCount = 10;

    private const int WorkersMax = 4;
    private const int ManySkus = 1_000;

    private static readonly (string, string) OneOrderPerMessage = ("Publish__OrdersPerMessageMax", "1");

    private const int PollDelayMs = 20;
    private const int PartDeadlineMs = 300_000;

    /// <summary>The same buyers on ever more SKUs: accepted while the worker is paused, then written.</summary>
    public static async Task SkusAsync(Contest contest, CancellationToken cancellationToken)
    {
        foreach (var count in SkuCounts)
        {
            await RouteStages.OursAsync(contest, count, Name("accept", count), Name("write", count), cancellationToken);
        }

        static string Name(string stage, int count) =>
            string.Create(CultureInfo.InvariantCulture, $"{stage}, {count:N0} of up to {SkuCounts[^1]:N0} SKUs");
    }

    /// <summary>One to four workers, each warmed up first, on one hot SKU and on many; the CPU is the first worker's.</summary>
    public static async Task WorkersAsync(Contest contest, CancellationToken cancellationToken)
    {
        for (var count = 1; count <= WorkersMax; count++)
        {
            if (count > 1)
            {
                await RouteStages.AddWorkerAsync(contest, cancellationToken);
            }

            await RouteStages.OursAsync(contest, 1, Name("accept", count, 1), Name("write", count, 1), cancellationToken);
            await RouteStages.OursAsync(
                contest, ManySkus, Name("accept", count, ManySkus), Name("write", count, ManySkus), cancellationToken);
        }

        await contest.System.StopOtherWorkersAsync();

        static string Name(string stage, int workers, int skus) =>
            string.Create(CultureInfo.InvariantCulture, $"{stage}, {workers} of up to {WorkersMax} workers, SKUs: {skus:N0}");
    }

    /// <summary>
    /// A backlog of messages with one order each, published by an extra Api while the worker is stopped; then the worker works through it.
    /// The costs of the second, the sixth and the last tenth are recorded.
    /// </summary>
    public static async Task DepthAsync(Contest contest, CancellationToken cancellationToken)
    {
        var part = contest.Options.Backlog / PartCount;
        var api = await contest.System.StartApiAsync(cancellationToken, OneOrderPerMessage);
        var skus = await contest.Sales.OpenAsync(1, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
        await contest.Sales.WarmUpAsync(api, cancellationToken);
        await contest.Load(api, HttpShop.BaselinePath, 1).ClosedAsync(contest.Options.Round, cancellationToken);
        // Stopped, not paused: the broker would close a connection that is silent for so long.
        await contest.System.StopAsync(contest.System.Worker);
        var accepted = 0L;
        for (var i = 0; i < PartCount; i++)
        {
            var gauge = await Gauge.StartAsync(api, withAllocations: true, cancellationToken);
            var load = await contest.Load(api, HttpShop.OrderPath, skus).ClosedAsync(part, null, cancellationToken);
            accepted += load.Accepted;
            Record(contest, "accept", i, await gauge.AddToAsync(
                Measurement.Of(load.AcceptedPerSecond, load), load.Accepted, cancellationToken));
        }

        await contest.System.StopAsync(api);
        await contest.System.StartWorkerAsync(cancellationToken);
        var sold = 0L;
        for (var i = 0; i < PartCount; i++)
        {
            var gauge = await Gauge.StartAsync(contest.System.Worker, withAllocations: false, cancellationToken);
            var started = Stopwatch.GetTimestamp();
            var before = sold;
            sold = await UntilSoldAsync(contest, skus, i == PartCount - 1 ? accepted : accepted / PartCount * (i + 1), cancellationToken);
            var measurement = new Measurement((sold - before) / Stopwatch.GetElapsedTime(started).TotalSeconds);
            Record(contest, "write", i, await gauge.AddToAsync(measurement, sold - before, cancellationToken));
        }

        await contest.UntilSettledAsync(skus, cancellationToken);
        if (sold != accepted)
        {
            throw new BenchException($"{sold} units sold in MySQL, but {accepted} clicks were accepted.");
        }
    }

    private static void Record(Contest contest, string stage, int part, Measurement measurement)
    {
        var name =
            part switch { 1 => "the second tenth", PartCount / 2 => "the sixth tenth", PartCount - 1 => "the last tenth", _ => null };
        if (name is not null)
        {
            contest.Recorder.Add(
                string.Create(CultureInfo.InvariantCulture, $"{stage}, backlog of {contest.Options.Backlog:N0} messages"), name,
                measurement);
        }
    }

    private static async Task<long> UntilSoldAsync(Contest contest, long[] skus, long count, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var sold = await contest.Sales.SoldAsync(skus, Contest.Plenty, cancellationToken);
            if (sold >= count)
            {
                return sold;
            }

            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds > PartDeadlineMs)
            {
                throw new BenchException($"Only {sold} of {count} accepted orders were in MySQL after {PartDeadlineMs / 1_000} s.");
            }

            await Task.Delay(PollDelayMs, cancellationToken);
        }
    }
}
