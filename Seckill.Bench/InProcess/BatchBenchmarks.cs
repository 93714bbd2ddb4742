using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using RabbitMQ.Client;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Writing;

namespace Seckill.Bench.InProcess;

/// <summary>The worker's own processing of a batch, between its queries and its statements to MySQL.</summary>
public class BatchBenchmarks
{
    private static readonly TimeSpan PaymentWindow = TimeSpan.FromMinutes(15);

    private readonly Dictionary<long, SkuRow> _skus = [];
    private OrderInHand[] _orders = [];
    private BatchPlan _plan = null!;

    [Params(200)]
    public int Orders { get; set; }

    /// <summary>One hot SKU, and a SKU per order.</summary>
    [Params(1, 200)]
    public int Skus { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        var delivery = new Delivery(1, [], new BasicProperties(), default(ActivityContext), TimeProvider.System.GetUtcNow(), 0);
        _orders = Array.ConvertAll(SampleOrders.Messages(Orders, Skus), message => new OrderInHand(
            delivery, default, null, message, message.ClientOrderNo, ActivityContext.Parse(message.TraceParent!, null), null));
        for (var id = SampleOrders.FirstSku; id < SampleOrders.FirstSku + Skus; id++)
        {
            _skus.Add(id, new SkuRow(id, id, "Benchmark 量子手机", 99.00m, 1_000_000, "/img/bench.svg", """{"color":"black"}""", 1));
        }

        _plan = Decided();
    }

    [Benchmark(Description = "decide a batch")]
    public int Decide() => Decided().Accepted.Count;

    [Benchmark(Description = "the insert statements of a batch")]
    public int Write()
    {
        var characters = 0;
        foreach (var command in BatchStatements.Write(
            _plan, PaymentWindow, guarded: true, BatchStatements.CommandBytesMax))
        {
            using (command)
            {
                characters += command.CommandText.Length;
            }
        }

        return characters;
    }

    /// <summary>Fresh facts each time, because deciding adds to them.</summary>
    private BatchPlan Decided()
    {
        var facts = new BatchFacts();
        foreach (var (id, row) in _skus)
        {
            facts.Skus.Add(id, row);
        }

        return BatchPlan.Decide(_orders, facts);
    }
}
