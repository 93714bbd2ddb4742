using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Faults;

/// <summary>Which orders count as lost and are published again, and which do not.</summary>
[Collection(nameof(FaultSystem))]
public sealed class LostOrderTests(FaultSystem faults) : IAsyncDisposable
{
    private const int TimeoutMs = 120_000;

    /// <summary><c>Reconciliation:StuckAfterMs</c> of these servers.</summary>
    private const int StuckAfterMs = 3_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    /// <summary>The next test needs a worker with other settings.</summary>
    public async ValueTask DisposeAsync() => await faults.EndAllAsync(faults.System.Workers);

    [Fact]
    public async Task What_a_slow_worker_holds_is_not_published_again()
    {
        const int OrderCount = 60;
        var system = await faults.ReadyAsync(_cancellation, faults.PatientApi);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await faults.EndAllAsync(system.Workers);
        await using var connection = await faults.ConnectAsync(_cancellation);
        var copies = await ListenAsync(connection);
        await sale.RushAllAsync(OrderCount);

        // Slow, so that all orders are old, the queue is empty, and the worker holds the last messages for seconds.
        await system.StartWorkerAsync(_cancellation, settings: [("Worker__OrdersPerSecondMax", "4")]);
        var outcomes = await sale.OutcomesAsync();
        await sale.AssertConservedAsync(outcomes);

        Assert.Equal(OrderCount, outcomes.GetValueOrDefault("SUCCESS"));
        Assert.Equal(OrderCount, copies.Count);
        Assert.All(copies.Values, times => Assert.Single(times));
    }

    [Fact]
    public async Task An_order_that_is_lost_again_and_again_is_published_ever_less_often()
    {
        const int CopyCount = 3;
        var system = await faults.ReadyAsync(_cancellation, faults.PatientApi);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await faults.EndAllAsync(system.Workers);
        await using var connection = await faults.ConnectAsync(_cancellation);
        var copies = await ListenAsync(connection);
        long orderId;
        // When the broker had confirmed so many copies, by the Api's clock, which is this machine's.
        var confirmedAt = new Dictionary<int, DateTimeOffset>();

        // Acts as a worker that acks and does nothing else.
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation))
        {
            var loser = new AsyncEventingBasicConsumer(channel);
            await channel.BasicConsumeAsync(OrderTopology.Queue, autoAck: true, loser, _cancellation);
            await sale.RushAllAsync(1);
            var (click, id) = Assert.Single(sale.Queued);
            orderId = long.Parse(id, CultureInfo.InvariantCulture);
            var held = new HeldMessages(system.RedisConnection);
            await Deadline.UntilAsync(
                async () =>
                {
                    await held.ReportAsync("loser", TimeSpan.Zero, _cancellation);
                    var count = copies.Values.SingleOrDefault()?.Count ?? 0;
                    if (await system.Ledger().ConfirmedAtMsAsync(new SkuKeys(click.SkuId), orderId, _cancellation) is { } atMs)
                    {
                        confirmedAt.TryAdd(count, DateTimeOffset.FromUnixTimeMilliseconds(atMs));
                    }

                    return count;
                },
                count => count >= CopyCount, _cancellation, TimeoutMs);
        }

        var times = copies.Values.Single().ToArray();
        for (var count = 1; count < CopyCount; count++)
        {
            var waited = confirmedAt[count] - SnowflakeSequence.TimeOf(orderId);
            var pause = Math.Max(StuckAfterMs, waited.TotalMilliseconds);
            Assert.InRange(times[count], confirmedAt[count].AddMilliseconds(pause).UtcDateTime, DateTime.MaxValue);
        }

        // The next copy succeeds.
        await system.StartWorkerAsync(_cancellation);
        await sale.AssertConservedAsync(await sale.OutcomesAsync());
    }

    /// <summary>When each order's copies reached the exchange, by order id.</summary>
    private async Task<ConcurrentDictionary<string, ConcurrentQueue<DateTime>>> ListenAsync(IConnection connection)
    {
        var copies = new ConcurrentDictionary<string, ConcurrentQueue<DateTime>>();
        var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation);
        var queue = await channel.QueueDeclareAsync(cancellationToken: _cancellation);
        await channel.QueueBindAsync(queue.QueueName, OrderTopology.Exchange, OrderTopology.RoutingKey, cancellationToken: _cancellation);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, args) =>
        {
            using var body = JsonDocument.Parse(args.Body);
            var root = body.RootElement;
            foreach (var order in root.ValueKind == JsonValueKind.Array ? root.EnumerateArray().ToArray() : [root])
            {
                copies.GetOrAdd(order.GetProperty("order_id").ToString(), _ => new()).Enqueue(DateTime.UtcNow);
            }

            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue.QueueName, autoAck: true, consumer, _cancellation);
        return copies;
    }
}
