using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Worker;

/// <summary>Each order has one trace through the worker, although the worker works in batches.</summary>
[Collection(nameof(WorkerServers))]
public sealed class WorkerTracingTests(WorkerServers servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_order_is_one_trace_and_the_batch_is_linked_both_ways()
    {
        var stopped = new ConcurrentQueue<Activity>();
        using var listener = Listen(stopped);
        await using var shop = await Shop.OpenAsync(servers, 10, Cancelled);
        var traces = new List<(OrderMessage Message, ActivityTraceId TraceId)>();
        for (var i = 0; i < 3; i++)
        {
            var (message, traceId) = (await shop.ReserveAsync(1 + i, Cancelled), ActivityTraceId.CreateRandom());
            traces.Add((message, traceId));
            await shop.PublishAsync(message.ToUtf8Json(), Cancelled, new BasicProperties
            {
                Headers = new Dictionary<string, object?> { ["traceparent"] = $"00-{traceId}-{ActivitySpanId.CreateRandom()}-01" },
            });
        }

        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, new() { ["Worker:BatchWaitMsMax"] = "500" });
        await worker.ConsumingAsync(Cancelled);
        foreach (var (message, traceId) in traces)
        {
            var process = await Deadline.UntilAsync(
                () => Task.FromResult(stopped.FirstOrDefault(a => a.TraceId == traceId && a.OperationName == "process order")),
                a => a is not null, Cancelled);
            var deliver = Assert.Single(stopped, a => a.TraceId == traceId && a.Source.Name == "RabbitMQ.Client.Subscriber");
            var settle = Assert.Single(stopped, a => a.TraceId == traceId && a.OperationName == "settle");
            var batch = Assert.Single(
                stopped, a => a.OperationName == "write batch" && a.Links.Any(link => link.Context.SpanId == process!.SpanId));

            Assert.Equal(deliver.SpanId, process!.ParentSpanId);
            Assert.Equal(process.SpanId, settle.ParentSpanId);
            Assert.Equal(default, batch.ParentSpanId);
            Assert.Contains(process.Links, link => link.Context.SpanId == batch.SpanId);
            Assert.Equal(message.OrderId, process.GetTagItem("seckill.order_id"));
            Assert.Equal(
                traceId.ToHexString(), await shop.AskAsync<string>($"SELECT trace_id FROM orders WHERE id = {message.OrderId}", Cancelled));
        }
    }

    [Fact]
    public async Task Each_order_of_a_message_of_many_is_in_its_own_trace()
    {
        var stopped = new ConcurrentQueue<Activity>();
        using var listener = Listen(stopped);
        await using var shop = await Shop.OpenAsync(servers, 10, Cancelled);
        var carrier = ActivityTraceId.CreateRandom();
        ActivityTraceId[] own = [ActivityTraceId.CreateRandom(), ActivityTraceId.CreateRandom()];
        OrderMessage[] orders =
        [
            await shop.ReserveAsync(1, Cancelled) with { TraceParent = $"00-{own[0]}-{ActivitySpanId.CreateRandom()}-01" },
            await shop.ReserveAsync(2, Cancelled) with { TraceParent = $"00-{own[1]}-{ActivitySpanId.CreateRandom()}-01" },
            await shop.ReserveAsync(3, Cancelled) with { TraceParent = "no trace" },
            await shop.ReserveAsync(4, Cancelled),
        ];
        await shop.PublishAsync(JsonSerializer.SerializeToUtf8Bytes(orders), Cancelled, new BasicProperties
        {
            Headers = new Dictionary<string, object?> { ["traceparent"] = $"00-{carrier}-{ActivitySpanId.CreateRandom()}-01" },
        });

        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
        await worker.ConsumingAsync(Cancelled);
        foreach (var (order, trace) in orders.Zip([own[0], own[1], carrier, carrier]))
        {
            var process = await Deadline.UntilAsync(
                () => Task.FromResult(stopped.FirstOrDefault(
                    a => a.OperationName == "process order" && a.GetTagItem("seckill.order_id") is long id && id == order.OrderId)),
                a => a is not null, Cancelled);
            Assert.Equal(trace, process!.TraceId);
            Assert.Equal(trace != carrier, process.Links.Any(link => link.Context.TraceId == carrier));
            Assert.Equal(
                trace.ToHexString(), await shop.AskAsync<string>($"SELECT trace_id FROM orders WHERE id = {order.OrderId}", Cancelled));
        }
    }

    private static ActivityListener Listen(ConcurrentQueue<Activity> stopped)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("Seckill.", StringComparison.Ordinal) || source.Name.StartsWith(
                "RabbitMQ.Client.", StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = stopped.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
