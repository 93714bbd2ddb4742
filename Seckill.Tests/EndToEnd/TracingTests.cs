using Seckill.Tests.LocalServers;

namespace Seckill.Tests.EndToEnd;

/// <summary>One order, one trace, over both processes: proven by who is whose parent, from what the processes export.</summary>
[Collection(nameof(RunningSystem))]
public sealed class TracingTests(RunningSystem running)
{
    private const string PublisherScope = "RabbitMQ.Client.Publisher";

    private static readonly string[] OrderSpans = ["reserve", "publish order", "process order", "settle"];

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
            await client.OutcomeAsync(token, 22_001, _cancellation);
            await OneTraceAsync(answer.Text("order_id")!);
        }
    }

    private async Task OneTraceAsync(string orderId)
    {
        // The two processes export on their own time: wait for all before asking how they hang together.
        var spans = await Deadline.UntilAsync(
            () => Task.FromResult(TraceOf(orderId)),
            found => found.Any(span => span.ParentSpanId == "") && OrderSpans.All(name => found.Any(span => span.Name == name)),
            _cancellation);

        var click = Assert.Single(spans, span => span.ParentSpanId == "");
        Assert.Equal("api", click.Service);
        Assert.Contains("POST", click.Name, StringComparison.Ordinal);
        var reserve = Assert.Single(spans, span => span.Name == "reserve");
        Assert.Equal((click.SpanId, "api"), (reserve.ParentSpanId, reserve.Service));
        var publish = Assert.Single(spans, span => span.Name == "publish order");
        Assert.Equal(click.SpanId, publish.ParentSpanId);
        var process = Assert.Single(spans, span => span.Name == "process order");
        Assert.Equal("order-worker", process.Service);
        await SentAsync(orderId, publish, process);
        var settle = Assert.Single(spans, span => span.Name == "settle");
        Assert.Equal(process.SpanId, settle.ParentSpanId);

        // The batch has a trace of its own, tied to the order's by links in both directions.
        var batch = await SpanAsync(span => span.Name == "write batch" && process.Links.Contains((span.TraceId, span.SpanId)));
        Assert.NotEqual(click.TraceId, batch.TraceId);
        Assert.Contains((process.TraceId, process.SpanId), batch.Links);
        await SpanAsync(span => span.Scope == "MySqlConnector" && span.TraceId == batch.TraceId);
    }

    /// <summary>A message of one order is sent in the order's trace; one of many in a trace of its own, tied to each order's by links.</summary>
    private async Task SentAsync(string orderId, ReceivedSpan publish, ReceivedSpan process)
    {
        if (process.ParentSpanId != publish.SpanId)
        {
            var spans = await Deadline.UntilAsync(
                () => Task.FromResult(TraceOf(orderId)), found => Ancestors(process, found).Contains(publish.SpanId), _cancellation);
            var alone = Assert.Single(spans, span => span.Scope == PublisherScope);
            Assert.Equal(publish.SpanId, alone.ParentSpanId);
            Assert.Contains(alone.SpanId, Ancestors(process, spans));
            return;
        }

        var batch = await SpanAsync(span => span.Name == "publish batch" && span.Links.Contains((publish.TraceId, publish.SpanId)));
        var sent = await SpanAsync(span => span.Scope == PublisherScope && span.ParentSpanId == batch.SpanId);
        Assert.Equal(batch.TraceId, sent.TraceId);
        Assert.Contains(process.Links, link => link.TraceId == batch.TraceId);
    }

    private async Task<ReceivedSpan> SpanAsync(Func<ReceivedSpan, bool> isWanted) =>
        (await Deadline.UntilAsync(() => Task.FromResult(running.Traces.Spans.FirstOrDefault(isWanted)), found => found is not null, _cancellation))!;

    private ReceivedSpan[] TraceOf(string orderId)
    {
        var spans = running.Traces.Spans;
        var reserve = spans.FirstOrDefault(span => span.Name == "reserve" && span.Attributes.GetValueOrDefault("seckill.order_id") == orderId);
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
