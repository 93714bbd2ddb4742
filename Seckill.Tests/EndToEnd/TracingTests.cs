using Seckill.Bench.Hops;

namespace Seckill.Tests.EndToEnd;

/// <summary>One order, one trace, across both processes: checked by the parents of the exported spans.</summary>
[Collection(nameof(RunningSystem))]
public sealed class TracingTests(RunningSystem running)
{
    private const string PublisherScope = "RabbitMQ.Client.Publisher";

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_hop_of_an_order_is_in_the_clicks_trace()
    {
        await running.System.AddSaleAsync(22_001, units: 3, limitPerUser: 1, _cancellation);
        using var client = running.System.Client();
        await client.WaitUntilOnSaleAsync(22_001, _cancellation);
        var tokens = await Task.WhenAll(Enumerable.Range(9_001, 3).Select(user => client.LogInAsync(user, _cancellation)));
        // Three at once, so that gate and worker batch them.
        var answers = await Task.WhenAll(tokens.Select(token => client.BuyAsync(token, 22_001, _cancellation)));
        foreach (var (token, answer) in tokens.Zip(answers))
        {
            Assert.Equal("queued", answer.Text("message"));
            await client.OutcomeAsync(token, 22_001, _cancellation);
            await OneTraceAsync(answer.Text("order_id")!);
        }
    }

    /// <summary>
    /// The processes export in the background, and a pause of the broker or the database may send or write the order twice: the test
    /// requires one complete chain from the click to the settling, and no span outside it.
    /// </summary>
    private async Task OneTraceAsync(string orderId)
    {
        await Deadline.UntilAsync(() => Task.FromResult(MissingOf(orderId)), missing => missing.Length == 0, _cancellation);
        var trace = TraceOf(orderId, running.Traces.Spans);
        var click = Assert.Single(trace, span => span.ParentSpanId == "");
        Assert.Equal("api", click.Service);
        Assert.Contains("POST", click.Name, StringComparison.Ordinal);
        Assert.All(
            trace.Where(span => span.Name is "reserve" or "publish order"),
            span => Assert.Equal((click.SpanId, "api"), (span.ParentSpanId, span.Service)));
        Assert.All(trace.Where(span => span.Name is "process order" or "settle"), span => Assert.Equal("order-worker", span.Service));
    }

    /// <summary>The missing part of the order's route, and the spans so far; nothing when it is complete.</summary>
    private string MissingOf(string orderId)
    {
        var spans = running.Traces.Spans;
        var trace = TraceOf(orderId, spans);
        var sent = Named("publish order").Any(publish => Named("process order").Any(process => IsSent(publish, process, trace, spans)));
        var settled = Named("process order").Any(process =>
            IsWritten(process, spans) && Named("settle").Any(settle => settle.ParentSpanId == process.SpanId));
        var orphan = trace.FirstOrDefault(span => span.ParentSpanId != "" && trace.All(other => other.SpanId != span.ParentSpanId));
        var missing =
            !trace.Any(span => span.ParentSpanId == "") ? "the click"
            : orphan is not null ? $"the parent of {orphan.Name}"
            : !sent ? "the way over the broker"
            : !settled ? "the way into MySQL and back to Redis"
            : null;
        return missing is null
            ? ""
            : $"{missing}; there is {string.Join(", ", trace.Select(span => $"{span.Name} {span.SpanId} below '{span.ParentSpanId}'"))}";

        IEnumerable<ReceivedSpan> Named(string name) => trace.Where(span => span.Name == name);
    }

    /// <summary>
    /// A message of one order is sent in the order's trace; one of many in a trace of its own, tied to each order's by links.
    /// </summary>
    private static bool IsSent(ReceivedSpan publish, ReceivedSpan process, ReceivedSpan[] trace, IReadOnlyCollection<ReceivedSpan> spans) =>
        trace.Any(
            sent => sent.Scope == PublisherScope && sent.ParentSpanId == publish.SpanId && Ancestors(process, trace).Contains(sent.SpanId))
        || (process.ParentSpanId == publish.SpanId && spans.Any(batch =>
            batch.Name == "publish batch" && batch.Links.Contains((publish.TraceId, publish.SpanId))
            && process.Links.Any(link => link.TraceId == batch.TraceId)
            && spans.Any(sent => sent.Scope == PublisherScope && (sent.TraceId, sent.ParentSpanId) == (batch.TraceId, batch.SpanId))));

    /// <summary>
    /// The batch has a trace of its own, tied to the order's by links in both directions, and MySQL's commands are in it.
    /// </summary>
    private static bool IsWritten(ReceivedSpan process, IReadOnlyCollection<ReceivedSpan> spans) => spans.Any(batch =>
        batch.Name == "write batch" && batch.TraceId != process.TraceId
        && process.Links.Contains((batch.TraceId, batch.SpanId)) && batch.Links.Contains((process.TraceId, process.SpanId))
        && spans.Any(span => span.Scope == "MySqlConnector" && span.TraceId == batch.TraceId));

    private static ReceivedSpan[] TraceOf(string orderId, IReadOnlyCollection<ReceivedSpan> spans)
    {
        var reserve = spans.FirstOrDefault(
            span => span.Name == "reserve" && span.Attributes.GetValueOrDefault("seckill.order_id") == orderId);
        return reserve is null ? [] : [.. spans.Where(span => span.TraceId == reserve.TraceId)];
    }

    private static IEnumerable<string> Ancestors(ReceivedSpan span, ReceivedSpan[] spans)
    {
        for (var parent = span.ParentSpanId; parent.Length > 0; parent = spans.FirstOrDefault(s => s.SpanId == parent)?.ParentSpanId ?? "")
        {
            yield return parent;
        }
    }
}
