namespace Seckill.Bench.Hops;

/// <summary>Where one order's time went, from the spans of its trace. Consecutive hops of the answer, then the two after it.</summary>
/// <param name="Milliseconds">One for each of <see cref="Names"/>; null where the trace has no such span.</param>
/// <param name="AnswerMs">From the request's start to its end in the Api, ms.</param>
public sealed record OrderHops(IReadOnlyList<double?> Milliseconds, double AnswerMs)
{
    private const double NsPerMs = 1e6;

    /// <summary>In the order of the route.</summary>
    public static readonly IReadOnlyList<string> Names =
    [
        "login and pipeline", "gate: lane, script, append-only file", "wait for the publisher", "broker: quorum queue, confirm",
        "confirm to end of answer", "queue, until the worker has it", "worker: batch, commit, settling",
    ];

    /// <summary>The orders whose traces show the whole way to the answer.</summary>
    public static IReadOnlyList<OrderHops> Of(IEnumerable<ReceivedSpan> spans) =>
        [.. spans.GroupBy(span => span.TraceId).Select(trace => Of([.. trace])).OfType<OrderHops>()];

    /// <summary>The slowest answers, slowest first.</summary>
    public static IReadOnlyList<OrderHops> Slowest(IEnumerable<OrderHops> orders, int count) =>
        [.. orders.OrderByDescending(order => order.AnswerMs).Take(count)];

    /// <summary>A percentile by nearest rank; null for none.</summary>
    public static double? Percentile(IEnumerable<double> values, double percent)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? null : sorted[Math.Clamp((int)Math.Ceiling(sorted.Length * percent / 100) - 1, 0, sorted.Length - 1)];
    }

    private static OrderHops? Of(ReceivedSpan[] trace)
    {
        if (trace.FirstOrDefault(span => span.Name == "reserve") is not { } reserve
            || trace.FirstOrDefault(span => span.SpanId == reserve.ParentSpanId) is not { } request
            || trace.FirstOrDefault(span => span.Name == "publish order") is not { } publish)
        {
            return null;
        }

        var process = trace.FirstOrDefault(span => span.Name == "process order");
        return new OrderHops(
            [
                Between(request.StartNs, reserve.StartNs), Between(reserve.StartNs, reserve.EndNs),
                Between(reserve.EndNs, publish.StartNs), Between(publish.StartNs, publish.EndNs), Between(publish.EndNs, request.EndNs),
                process is null ? null : Between(publish.StartNs, process.StartNs),
                process is null ? null : Between(process.StartNs, process.EndNs),
            ],
            Between(request.StartNs, request.EndNs));
    }

    /// <summary>Two threads read the clock, so a hop without any wait may seem to end before it begins.</summary>
    private static double Between(ulong startNs, ulong endNs) => endNs <= startNs ? 0 : (endNs - startNs) / NsPerMs;
}
