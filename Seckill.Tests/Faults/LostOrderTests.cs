using System.Collections.Concurrent;
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;

namespace Seckill.Tests.Faults;

/// <summary>Which orders count as lost and are published again, and which do not.</summary>
[Collection(nameof(FaultSystem))]
public sealed class LostOrderTests(FaultSystem faults) : IAsyncDisposable
{
    private const int TimeoutMs = 120_000;

    /// <summary><c>Reconciliation:StuckAfterMs</c> of these servers.</summary>
    private const int StuckAfterMs = 3_000;

    /// <summary>A confirm is recorded a moment after the message has arrived.</summary>
    private const int SlackMs = 500;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    /// <summary>The next test needs a worker with other settings.</summary>
    public async ValueTask DisposeAsync() => await faults.EndAllAsync(faults.System.Workers);

    [Fact]
    public async Task What_a_slow_worker_holds_is_not_published_again()
    {
        const int OrderCount = 60;
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await faults.EndAllAsync(system.Workers);
        await using var connection = await faults.ConnectAsync(_cancellation);
        var copies = await ListenAsync(connection);
        await sale.RushAsync(OrderCount);

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
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await faults.EndAllAsync(system.Workers);
        await using var connection = await faults.ConnectAsync(_cancellation);
        var copies = await ListenAsync(connection);

        // Acts as a worker that acks and does nothing else.
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation))
        {
            var loser = new AsyncEventingBasicConsumer(channel);
            await channel.BasicConsumeAsync(OrderTopology.Queue, autoAck: true, loser, _cancellation);
            await sale.RushAsync(1);
            var held = new HeldMessages(system.RedisConnection);
            await Deadline.UntilAsync(
                async () =>
                {
                    await held.ReportAsync("loser", TimeSpan.Zero, _cancellation);
                    return copies.Values.SingleOrDefault()?.Count ?? 0;
                },
                count => count >= CopyCount, _cancellation, TimeoutMs);
        }

        var times = copies.Values.Single().Select(time => (time - copies.Values.Single().First()).TotalMilliseconds).ToList();
        Assert.InRange(times[1], StuckAfterMs - SlackMs, TimeoutMs);
        Assert.All(Enumerable.Range(2, CopyCount - 2), i => Assert.InRange(times[i], (2 * times[i - 1]) - SlackMs, TimeoutMs));

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
