using System.Diagnostics;
using Seckill.Bench.Load;

namespace Seckill.Bench.Bench;

/// <summary>One moment of a sale.</summary>
/// <param name="Seconds">Since the first click.</param>
/// <param name="Answered">Clicks answered so far.</param>
/// <param name="Accepted">Clicks accepted so far.</param>
/// <param name="Written">Orders committed in MySQL.</param>
internal readonly record struct Moment(double Seconds, long Answered, long Accepted, long Written);

/// <summary>The sale itself: ten buyers for each unit, all at once, and the worker writing meanwhile.</summary>
internal static class HeadlineStage
{
    public const string Answered = "headline: everyone answered";
    public const string Written = "headline: last order in MySQL";

    private const int SampleEveryMs = 20;
    private const int DeadlineMs = 600_000;

    public static async Task<IReadOnlyDictionary<string, IReadOnlyList<Moment>>> RunAsync(
        Contest contest, CancellationToken cancellationToken)
    {
        var units = contest.Options.Units;
        var ours = (await contest.Sales.OpenAsync(1, units, 1, cancellationToken))[0];
        contest.System.Worker.Continue();
        var oursMoments = await SellAsync(contest, Contest.Ours, contest.System.Api, ours, cancellationToken);
        await contest.UntilSettledAsync([ours], cancellationToken);

        var textbook = await contest.Sales.OpenTextbookAsync(units, cancellationToken);
        (await contest.TextbookWorkerAsync(cancellationToken)).Continue();
        var textbookMoments = await SellAsync(
            contest, Contest.Textbook, await contest.TextbookApiAsync(cancellationToken), textbook, cancellationToken);
        return new Dictionary<string, IReadOnlyList<Moment>> { [Contest.Ours] = oursMoments, [Contest.Textbook] = textbookMoments };
    }

    private static async Task<IReadOnlyList<Moment>> SellAsync(
        Contest contest, string name, LocalService service, long sku, CancellationToken cancellationToken)
    {
        var (units, buyers) = (contest.Options.Units, contest.Options.Units * 10);
        var load = contest.Load(service, HttpShop.OrderPath, sku);
        long answered = 0, accepted = 0;
        await contest.UntilQuietAsync(cancellationToken);
        var started = Stopwatch.GetTimestamp();
        var moments = WatchAsync(
            contest, sku, started, () => (Interlocked.Read(ref answered), Interlocked.Read(ref accepted)), cancellationToken);
        var result = await load.ClosedAsync(
            buyers,
            status =>
            {
                Interlocked.Increment(ref answered);
                if (status == 200)
                {
                    Interlocked.Increment(ref accepted);
                }
            },
            cancellationToken);
        if (result.Accepted != units || result.Other.Count > 0)
        {
            throw new BenchException(
                $"{name} accepted {result.Accepted} clicks for {units} units, and answered {result.Other.Values.Sum()} in another way.");
        }

        contest.Recorder.Add(
            Answered, name,
            Measurement.Of(result.Answered / result.Elapsed.TotalSeconds, result) with { Seconds = result.Elapsed.TotalSeconds });
        var all = await moments;
        var last = all.First(moment => moment.Written >= units).Seconds;
        contest.Recorder.Add(Written, name, new Measurement(units / last, Seconds: last));
        return all;
    }

    /// <summary>Samples until everyone has an answer and the last order is in MySQL.</summary>
    private static async Task<IReadOnlyList<Moment>> WatchAsync(
        Contest contest, long sku, long started, Func<(long Answered, long Accepted)> read, CancellationToken cancellationToken)
    {
        var moments = new List<Moment>();
        while (moments.Count == 0 || moments[^1].Written < contest.Options.Units || moments[^1].Answered < contest.Options.Units * 10L)
        {
            var written = await contest.Sales.SoldAsync([sku], contest.Options.Units, cancellationToken);
            var (answered, accepted) = read();
            moments.Add(new Moment(Stopwatch.GetElapsedTime(started).TotalSeconds, answered, accepted, written));
            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds > DeadlineMs)
            {
                throw new BenchException($"Only {written} of {contest.Options.Units} orders were in MySQL after {DeadlineMs / 1_000} s.");
            }

            await Task.Delay(SampleEveryMs, cancellationToken);
        }

        return moments;
    }
}
