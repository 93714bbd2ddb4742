using Seckill.Bench.Load;

namespace Seckill.Bench.Bench;

/// <summary>The stages of the route, each beside the textbook's and the limits of its parts.</summary>
internal static class RouteStages
{
    public const string Accept = "accept";
    public const string Refuse = "refuse";
    public const string Write = "write";
    public const string AcceptSpread = "accept, 1,000 SKUs";
    public const string WriteSpread = "write, 1,000 SKUs";
    public const string WritePair = "write, two workers";
    public const string WriteAlone = "write, one worker beside two";

    public const string EmptyApi = "empty Kestrel, no login";
    public const string InsertAlone = "multi-row insert alone";

    private const string AcceptPair = "accept, before one or two workers";
    private const int SpreadCount = 1_000;

    /// <summary>
    /// Rounds that a new worker writes before it is measured: its methods are still being compiled (docs/performance-log.md).
    /// </summary>
    private const int WarmUpRounds = 2;

    /// <summary>Accepts while the worker is paused, then lets it write the backlog: two stages in one go.</summary>
    public static Task AcceptAndWriteAsync(Contest contest, CancellationToken cancellationToken) => InTurnAsync(
        contest, Accept,
        () => OursAsync(contest, 1, Accept, Write, cancellationToken),
        () => TextbookAsync(contest, cancellationToken),
        () => EmptyAsync(contest, Accept, cancellationToken));

    /// <summary>The limits of the parts of both stages.</summary>
    public static async Task LimitsAsync(Contest contest, CancellationToken cancellationToken)
    {
        contest.Recorder.Add(Accept, "script alone", new Measurement(
            await PartLimits.ScriptAsync(contest.System, contest.Options.Round, cancellationToken)));
        contest.Recorder.Add(
            Accept, "quorum queue alone, a confirm each",
            new Measurement(await PartLimits.PublishAsync(contest.System, contest.Options.Round, cancellationToken)));
        var sku = await contest.Sales.OpenTextbookAsync(Contest.Plenty, cancellationToken);
        contest.Recorder.Add(
            Write, InsertAlone,
            new Measurement(await PartLimits.InsertAsync(contest.System, sku, contest.Options.Round, cancellationToken)));
    }

    /// <summary>The same backlog over a thousand SKUs.</summary>
    public static Task SpreadAsync(Contest contest, CancellationToken cancellationToken) =>
        OursAsync(contest, SpreadCount, AcceptSpread, WriteSpread, cancellationToken);

    /// <summary>One hot SKU with one worker and then with two, the second warmed up first.</summary>
    public static async Task PairAsync(Contest contest, CancellationToken cancellationToken)
    {
        await OursAsync(contest, 1, AcceptPair, WriteAlone, cancellationToken);
        await AddWorkerAsync(contest, cancellationToken);
        await OursAsync(contest, 1, AcceptPair, WritePair, cancellationToken);
        await contest.System.StopOtherWorkersAsync();
    }

    /// <summary>Starts one more worker and warms it up.</summary>
    public static async Task AddWorkerAsync(Contest contest, CancellationToken cancellationToken)
    {
        await contest.System.StartWorkerAsync(cancellationToken);
        for (var i = 0; i < WarmUpRounds; i++)
        {
            await OursAsync(contest.WarmUp, 1, AcceptPair, WritePair, cancellationToken);
        }
    }

    public static async Task RefuseAsync(Contest contest, CancellationToken cancellationToken)
    {
        var ours = await contest.Sales.OpenAsync(1, 1, 1, cancellationToken);
        var textbook = await contest.Sales.OpenTextbookAsync(1, cancellationToken);
        var textbookApi = await contest.TextbookApiAsync(cancellationToken);
        await InTurnAsync(
            contest, Refuse,
            () => RefusedAsync(contest, Contest.Ours, contest.System.Api, HttpShop.OrderPath, ours[0], cancellationToken),
            () => RefusedAsync(contest, Contest.Textbook, textbookApi, HttpShop.OrderPath, textbook, cancellationToken),
            () => EmptyAsync(contest, Refuse, cancellationToken),
            () => CrossCheckAsync(contest, ours[0], cancellationToken));
    }

    /// <summary>Every second round is reversed: the first contestant also pays for work left over from the stage before.</summary>
    private static async Task InTurnAsync(Contest contest, string stage, params Func<Task>[] parts)
    {
        var backwards = contest.Recorder.CountOf(stage, Contest.Ours) % 2 == 1;
        foreach (var part in backwards ? parts.AsEnumerable().Reverse() : parts)
        {
            await part();
        }
    }

    /// <summary>Seckill alone: accepts on this many SKUs while the worker is paused, then lets it write.</summary>
    public static async Task OursAsync(
        Contest contest, int skuCount, string accept, string write, CancellationToken cancellationToken)
    {
        var skus = await contest.Sales.OpenAsync(skuCount, Contest.Plenty, BenchSales.NoLimit, cancellationToken);
        var api = contest.System.Api;
        foreach (var worker in contest.System.Workers)
        {
            worker.Pause();
        }

        await contest.UntilQuietAsync(cancellationToken);
        var gauge = await Gauge.StartAsync(api, withAllocations: true, cancellationToken);
        var load = await contest.RunAsync(contest.Load(api, HttpShop.OrderPath, skus), cancellationToken);
        contest.Recorder.Add(
            accept, Contest.Ours, await gauge.AddToAsync(Measurement.Of(load.AcceptedPerSecond, load), load.Accepted, cancellationToken));

        var workerGauge = await Gauge.StartAsync(contest.System.Worker, withAllocations: false, cancellationToken);
        foreach (var worker in contest.System.Workers)
        {
            worker.Continue();
        }

        var seconds = await contest.UntilSoldAsync(skus, Contest.Plenty, load.Accepted, cancellationToken);
        var measurement = new Measurement(load.Accepted / seconds, Seconds: seconds);
        await contest.UntilSettledAsync(skus, cancellationToken);
        contest.Recorder.Add(write, Contest.Ours, await workerGauge.AddToAsync(measurement, load.Accepted, cancellationToken));
    }

    /// <summary>
    /// The textbook's worker would need minutes for its backlog: only the orders of one round are counted, the rest is discarded.
    /// </summary>
    private static async Task TextbookAsync(Contest contest, CancellationToken cancellationToken)
    {
        var api = await contest.TextbookApiAsync(cancellationToken);
        var worker = await contest.TextbookWorkerAsync(cancellationToken);
        var sku = await contest.Sales.OpenTextbookAsync(Contest.Plenty, cancellationToken);
        worker.Pause();
        await contest.UntilQuietAsync(cancellationToken);
        var gauge = await Gauge.StartAsync(api, withAllocations: false, cancellationToken);
        var load = await contest.RunAsync(contest.Load(api, HttpShop.OrderPath, sku), cancellationToken);
        contest.Recorder.Add(
            Accept, Contest.Textbook,
            await gauge.AddToAsync(Measurement.Of(load.AcceptedPerSecond, load), load.Accepted, cancellationToken));
        worker.Continue();
        var before = await contest.Sales.SoldAsync([sku], Contest.Plenty, cancellationToken);
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        await Task.Delay(contest.Options.Round, cancellationToken);
        var written = await contest.Sales.SoldAsync([sku], Contest.Plenty, cancellationToken) - before;
        contest.Recorder.Add(
            Write, Contest.Textbook, new Measurement(written / System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds));
        await contest.PurgeTextbookAsync(cancellationToken);
    }

    private static async Task RefusedAsync(
        Contest contest, string name, LocalService service, string path, long sku, CancellationToken cancellationToken)
    {
        // The only unit goes to the first buyer before the clock starts, so that the gate knows that none is left.
        await contest.Load(service, path, sku).ClosedAsync(contest.Options.Connections * 4L, null, cancellationToken);
        var isOurs = name == Contest.Ours;
        await contest.UntilQuietAsync(cancellationToken);
        var gauge = await Gauge.StartAsync(service, isOurs, cancellationToken);
        var load = await contest.RunAsync(contest.Load(service, path, sku), cancellationToken);
        contest.Recorder.Add(
            Refuse, name, await gauge.AddToAsync(Measurement.Of(load.RefusedPerSecond, load), load.Answered, cancellationToken));
    }

    /// <summary>Refusals and bare Kestrel once more, with another load generator.</summary>
    private static async Task CrossCheckAsync(Contest contest, long sku, CancellationToken cancellationToken)
    {
        if (Wrk.Find() is not { } wrk || !contest.Counts)
        {
            return;
        }

        foreach (var (name, service) in new[]
        {
            (Contest.Ours, contest.System.Api), (EmptyApi, await contest.EmptyApiAsync(cancellationToken)),
        })
        {
            await contest.UntilQuietAsync(cancellationToken);
            var gauge = await Gauge.StartAsync(service, withAllocations: false, cancellationToken);
            var result = await Wrk.RunAsync(
                wrk, new Uri(service.Url), contest.Requests(service, HttpShop.OrderPath, sku), contest.Options.Connections,
                contest.Options.Round, cancellationToken);
            contest.Recorder.Add(
                Refuse, $"{name}, load by wrk",
                await gauge.AddToAsync(new Measurement(result.PerSecond, result.P50Ms, result.P99Ms), result.Answered, cancellationToken));
        }
    }

    private static async Task EmptyAsync(Contest contest, string stage, CancellationToken cancellationToken)
    {
        foreach (var (name, service, path) in new[]
        {
            (OtherStages.EmptyEndpoint, contest.System.Api, HttpShop.BaselinePath),
            (EmptyApi, await contest.EmptyApiAsync(cancellationToken), HttpShop.OrderPath),
        })
        {
            await contest.UntilQuietAsync(cancellationToken);
            var gauge = await Gauge.StartAsync(service, service == contest.System.Api, cancellationToken);
            var load = await contest.RunAsync(contest.Load(service, path, 1), cancellationToken);
            contest.Recorder.Add(
                stage, name, await gauge.AddToAsync(Measurement.Of(load.AcceptedPerSecond, load), load.Accepted, cancellationToken));
        }
    }
}
