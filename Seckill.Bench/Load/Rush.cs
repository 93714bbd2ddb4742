using System.Collections.Concurrent;
using System.Diagnostics;
using HdrHistogram;

namespace Seckill.Bench.Load;

/// <summary>A crowd that clicks as fast as its connections allow (closed loop), then polls until every order has a final state.</summary>
/// <param name="shop">The gate's client.</param>
/// <param name="skuId">The SKU that all buyers want.</param>
/// <param name="concurrency">Requests in flight.</param>
public sealed class Rush(GateClient shop, long skuId, int concurrency)
{
    private const int PollDelayMs = 20;
    private const int PollDelayMaxMs = 320;

    /// <summary>Every buyer clicks once. Failed requests do not throw.</summary>
    /// <param name="buyers">Each clicks for one unit.</param>
    /// <param name="answered">Called from many threads after each answer.</param>
    /// <param name="cancellationToken">Stops the rush.</param>
    public async Task<RushResult> ClickAsync(IReadOnlyList<Buyer> buyers, Action answered, CancellationToken cancellationToken)
    {
        var answers = new Answer[buyers.Count];
        var latencies = new LongConcurrentHistogram(1, TimeSpan.FromMinutes(2).Ticks / TimeSpan.TicksPerMicrosecond, 3);
        var started = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, buyers.Count, Options(cancellationToken), async (i, token) =>
        {
            var asked = Stopwatch.GetTimestamp();
            answers[i] = await shop.OrderAsync(buyers[i], skuId, 1, token);
            latencies.RecordValue(Math.Max(1, (long)Stopwatch.GetElapsedTime(asked).TotalMicroseconds));
            answered();
        });
        return new RushResult(answers, latencies, started, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>Every queued buyer polls until the order is SUCCESS or FAILED.</summary>
    /// <param name="answers">The answers to the clicks.</param>
    /// <param name="deadlineMs">Time after which an order without a final answer counts as <see cref="FinalState.Unknown"/>.</param>
    /// <param name="settled">Called from many threads after each final answer.</param>
    /// <param name="cancellationToken">Stops the polling.</param>
    public async Task<IReadOnlyList<Outcome>> AwaitOutcomesAsync(
        IEnumerable<Answer> answers, int deadlineMs, Action settled, CancellationToken cancellationToken)
    {
        var outcomes = new ConcurrentBag<Outcome>();
        var started = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(answers.Where(a => a.Outcome == AskOutcome.Queued), Options(cancellationToken), async (answer, token) =>
        {
            outcomes.Add(await PollAsync(answer, started, deadlineMs, token));
            settled();
        });
        return [.. outcomes];
    }

    private async Task<Outcome> PollAsync(Answer answer, long started, int deadlineMs, CancellationToken cancellationToken)
    {
        for (var delayMs = PollDelayMs; ; delayMs = Math.Min(delayMs * 2, PollDelayMaxMs))
        {
            if (await shop.StatusAsync(answer.Buyer, skuId, cancellationToken) is { } final)
            {
                return new Outcome(answer, final.State, final.Detail);
            }

            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds > deadlineMs)
            {
                return new Outcome(answer, FinalState.Unknown, "no final answer in time");
            }

            await Task.Delay(delayMs, cancellationToken);
        }
    }

    private ParallelOptions Options(CancellationToken cancellationToken) =>
        new() { MaxDegreeOfParallelism = concurrency, CancellationToken = cancellationToken };
}

/// <summary>The results of a crowd's clicks.</summary>
/// <param name="Answers">One per buyer.</param>
/// <param name="LatenciesUs">Time from click to answer, microseconds.</param>
/// <param name="StartedAt">The first click, a <see cref="Stopwatch"/> timestamp.</param>
/// <param name="Elapsed">From the first click until all had an answer.</param>
public sealed record RushResult(IReadOnlyList<Answer> Answers, HistogramBase LatenciesUs, long StartedAt, TimeSpan Elapsed);
