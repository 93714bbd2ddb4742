using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using RabbitMQ.Client;
using Seckill.Api.Publishing;
using Seckill.OrderWorker.Batches;

namespace Seckill.Bench.InProcess;

/// <summary>Both ends of a message: writing it in the Api and reading it in the worker.</summary>
public class MessageBenchmarks
{
    private Publication[] _orders = [];
    private readonly PublishBody _body = new();
    private Delivery _delivery = null!;

    /// <summary>The message of a single click, and a full one under load.</summary>
    [Params(1, 64)]
    public int Orders { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        _orders = SampleOrders.ToPublish(Orders);
        var body = new PublishBody().Write(_orders).ToArray();
        _delivery = new Delivery(1, body, new BasicProperties(), default(ActivityContext), TimeProvider.System.GetUtcNow(), body.Length);
    }

    [Benchmark(Description = "write a message's body (Api)")]
    public int Write() => _body.Write(_orders).Length;

    [Benchmark(Description = "read and check a message (worker)")]
    public int Read()
    {
        var batch = new OrderBatch(0);
        OrderIntake.Take(_delivery, batch);
        return batch.Orders.Count;
    }
}
