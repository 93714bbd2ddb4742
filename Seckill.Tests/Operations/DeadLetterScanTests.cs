using System.Reflection;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Api.Audit;
using Seckill.Api.DeadLetters;
using Seckill.Api.Reconciliation;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Unreadable;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Operations;

/// <summary>The search for lost orders among the dead letters keeps neither operators nor other repairs waiting.</summary>
[Collection(OperationsTests.Name)]
public sealed class DeadLetterScanTests(OperationsFixture servers) : IAsyncLifetime
{
    private const int SkuCount = 3;
    private const long Buyer = 7;

    private readonly SetClock _clock = new();
    private readonly SnowflakeSequence _ids = new(SnowflakeSequence.NodeMax, new EarlierClock());
    private ApiHost _api = null!;
    private string _consumer = "";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static IOptions<ReconciliationOptions> Settings => Options.Create(new ReconciliationOptions { StuckAfterMs = 1_000 });

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        // Compares only when the test asks.
        _api = servers.StartApi(("Reconciliation:EveryMs", "3600000"));
        // Without a consumer it is unknown which orders have left the queue.
        _consumer = await servers.Channel.BasicConsumeAsync(
            OrderTopology.Queue, autoAck: false, new AsyncEventingBasicConsumer(servers.Channel), Cancelled);
        await Deadline.UntilAsync(
            () => _api.Get<QueueWatch>().ThroughUntilAsync(Cancelled), until => until is not null, Cancelled);
    }

    public async ValueTask DisposeAsync()
    {
        await servers.Channel.BasicCancelAsync(_consumer, cancellationToken: CancellationToken.None);
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Letters_are_read_once_for_all_SKUs_and_their_orders_are_not_searched_for_again_at_once()
    {
        var connections = CountedConnections.Of(_api.Get<IConnectionFactory>());
        using var broker = BrokerOver(connections, NullLogger<BrokerView>.Instance);
        var stuck = StuckOver(broker);
        var buried = new List<long>();
        for (var i = 0; i < SkuCount; i++)
        {
            var skuId = await servers.PutOnSaleAsync(_api);
            await BuryAsync(skuId, await ReserveAsync(skuId));
            buried.Add(skuId);
        }

        await AssertNothingLostAsync();
        Assert.Equal(1, ((CountedConnections)(object)connections).Count);

        // The next pass: nothing has to be read, because these orders were among the letters a minute ago.
        _clock.Move(TimeSpan.FromMinutes(1));
        await AssertNothingLostAsync();
        Assert.Equal(1, ((CountedConnections)(object)connections).Count);

        // For any other order the letters are read again.
        var other = await servers.PutOnSaleAsync(_api);
        var lost = await ReserveAsync(other);
        Assert.Equal([lost], (await PlanAsync(stuck, other)).Republish);
        Assert.Equal(2, ((CountedConnections)(object)connections).Count);

        async Task AssertNothingLostAsync()
        {
            foreach (var skuId in buried)
            {
                Assert.Empty((await PlanAsync(stuck, skuId)).Republish);
            }
        }
    }

    [Fact]
    public async Task Verdicts_are_settled_also_when_the_letters_cannot_be_read()
    {
        using var lines = new LogLines();
        using var loggers = new LoggerFactory([lines]);
        using var broker = BrokerOver(
            new ConnectionFactory { Uri = new Uri("amqp://127.0.0.1:1") }, loggers.CreateLogger<BrokerView>());
        var skuId = await servers.PutOnSaleAsync(_api);
        var (written, lost) = (await ReserveAsync(skuId), await ReserveAsync(skuId));
        await using (var store = servers.OpenStore())
        {
            // By a worker that died before it settled the order.
            await StoredOrders.AddOneAsync(store, skuId, written, Buyer);
            await store.ProductSkus.Where(row => row.Id == skuId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Stock, row => row.Stock - 1), Cancelled);
        }

        var plan = await PlanAsync(StuckOver(broker), skuId);

        Assert.Equal([written], plan.Settle.Select(order => order.OrderId));
        Assert.DoesNotContain(lost, plan.Republish);
        Assert.Contains(lines.Lines, line => line.Text.StartsWith("The dead letters were not read", StringComparison.Ordinal));
    }

    [Fact]
    public async Task All_letters_are_read_however_many_there_are_unless_they_have_too_many_bytes()
    {
        // A quorum queue gives 2,000 to one consumer that acks none.
        const int letterCount = 2_100;
        var orderIds = Enumerable.Range(0, letterCount).Select(_ => _ids.Next()).ToArray();
        await Task.WhenAll(orderIds.Select(orderId => BuryAsync(1, orderId)));
        try
        {
            Assert.Equal(orderIds.Order(), (await ReadAsync(bytesMax: long.MaxValue))!.Order());
            Assert.Null(await ReadAsync(bytesMax: 10_000));
        }
        finally
        {
            await servers.PurgeAsync();
        }

        async Task<IReadOnlySet<long>?> ReadAsync(long bytesMax)
        {
            IReadOnlySet<long>? found;
            await using (var session = await DeadLetterSession.OpenAsync(_api.Get<IConnectionFactory>(), Cancelled))
            {
                found = await session.ReadOrderIdsAsync(letterCount, bytesMax, Cancelled);
            }

            // None is lost, nor kept back from the next call.
            await Deadline.UntilAsync(
                () => servers.Channel.MessageCountAsync(OrderTopology.DeadLetterQueue, Cancelled), count => count == letterCount,
                Cancelled);
            return found;
        }
    }

    [Fact]
    public async Task An_operator_waits_for_a_call_that_ends_soon()
    {
        await servers.Redis.StringSetAsync("seckill:dead-letters:desk", "another", TimeSpan.FromSeconds(1));

        Assert.Equal(200, (await _api.GetAsync("/api/ops/dead-letters", _api.Operator)).Status);
    }

    private BrokerView BrokerOver(IConnectionFactory connections, ILogger<BrokerView> logger)
    {
        var letters = new DeadLetterOperations(
            connections, _api.Get<UnreadableMessages>(), servers.Redis.Multiplexer, _api.Get<OrderAbandonment>(), _api.Get<AuditLog>(),
            Options.Create(new DeadLetterOptions()), TimeProvider.System, NullLogger<DeadLetterOperations>.Instance);
        return new BrokerView(_api.Get<QueueWatch>(), letters, Settings, _clock, logger);
    }

    private StuckOrders StuckOver(BrokerView broker) =>
        new(_api.Get<StockLedger>(), _api.Get<StockRecovery>(), broker, _api.Get<OrderRoute>(), Settings, TimeProvider.System);

    private async Task<RepairPlan> PlanAsync(StuckOrders stuck, long skuId) =>
        await stuck.PlanAsync((await _api.Get<ReconciliationReader>().ReadAsync(skuId, Cancelled))!, Cancelled);

    /// <summary>An order that the broker confirmed an hour ago, and that is in no queue.</summary>
    private async Task<long> ReserveAsync(long skuId)
    {
        var (sku, orderId, ledger) = (new SkuKeys(skuId), _ids.Next(), _api.Get<StockLedger>());
        var reply = await ledger.ReserveAsync(sku, [new ReserveRequest(orderId, Buyer, 1, null, null)], Cancelled);
        Assert.Equal(ReserveCode.Accepted, reply.Results[0].Code);
        await ledger.ConfirmAsync(sku, [orderId], DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds(), Cancelled);
        return orderId;
    }

    private async Task BuryAsync(long skuId, long orderId) => await servers.Channel.BasicPublishAsync(
        OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties(),
        Encoding.UTF8.GetBytes($$"""{"user_id":{{Buyer}},"sku_id":{{skuId}},"quantity":1,"order_id":{{orderId}}}"""), Cancelled);

    /// <summary>The order was placed two hours ago.</summary>
    private sealed class EarlierClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow.AddHours(-2);
    }

    /// <summary>Counts the connections that are opened.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage(
        "Performance", "CA1852", Justification = "DispatchProxy derives a class from it.")]
    private class CountedConnections : DispatchProxy
    {
        private IConnectionFactory _real = null!;
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public static IConnectionFactory Of(IConnectionFactory real)
        {
            var counted = Create<IConnectionFactory, CountedConnections>();
            ((CountedConnections)(object)counted)._real = real;
            return counted;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name == nameof(IConnectionFactory.CreateConnectionAsync))
            {
                Interlocked.Increment(ref _count);
            }

            return targetMethod.Invoke(_real, args);
        }
    }
}
