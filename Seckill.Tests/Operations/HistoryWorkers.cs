using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Settling;
using Seckill.OrderWorker.Writing;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>
/// The queue, and two workers: a careful one, which looks up each batch under the row lock, and a quick one. A delivered message
/// stays in the queue until it is acked, and may be delivered again at any time.
/// </summary>
internal sealed class HistoryWorkers(HistoryServers servers, IConnectionMultiplexer redis) : IAsyncDisposable
{
    private readonly ServiceProvider _careful = Build(servers, redis, "10000");
    private readonly ServiceProvider _quick = Build(servers, redis, "0");
    private readonly List<OrderMessage> _queue = [];
    private readonly List<(OrderBatch Batch, ServiceProvider Worker)> _held = [];

    /// <summary>Order ids in the queue.</summary>
    public IEnumerable<long> Queued => _queue.Select(message => message.OrderId!.Value);

    public bool IsEmpty => _queue.Count == 0 && _held.Count == 0;

    public void Publish(OrderMessage message) => _queue.Add(OrderMessage.Parse(message.ToUtf8Json()));

    /// <summary>Delivers some messages, starting at the pick, and commits them.</summary>
    public async Task WriteAsync(HistoryStep.Write write, CancellationToken cancellationToken)
    {
        if (_queue.Count == 0)
        {
            return;
        }

        var messages = Enumerable.Range(0, Math.Min(write.Count, _queue.Count))
            .Select(i => _queue[(write.Pick + i) % _queue.Count]).ToList();
        if (write.Twice)
        {
            messages.Add(messages[0]);
        }

        var batch = new OrderBatch(TimeProvider.System.GetTimestamp());
        for (var i = 0; i < messages.Count; i++)
        {
            var body = messages[i].ToUtf8Json();
            OrderIntake.Take(
                new Delivery((ulong)i + 1, body, new BasicProperties(), default, DateTimeOffset.UtcNow, body.Length), batch);
        }

        var worker = write.Quick ? _quick : _careful;
        Assert.True(await worker.GetRequiredService<BatchWriter>().WriteAsync(batch, cancellationToken, cancellationToken));
        Assert.True(batch is { DeadLetters: [], Parked: [] }, "An order was dead-lettered or parked.");
        _held.Add((batch, worker));
    }

    public async Task SettleAsync(HistoryStep.Settle settle, CancellationToken cancellationToken)
    {
        if (_held.Count == 0)
        {
            return;
        }

        var index = settle.Pick % _held.Count;
        var (batch, worker) = _held[index];
        _held.RemoveAt(index);
        await worker.GetRequiredService<OrderSettler>().SettleAsync(batch, cancellationToken, cancellationToken);
        Assert.Empty(batch.Parked);
        if (settle.Acks)
        {
            foreach (var order in batch.Orders)
            {
                _queue.Remove(order.Message);
            }
        }
    }

    public void Die() => _held.Clear();

    public async ValueTask DisposeAsync()
    {
        await _careful.DisposeAsync();
        await _quick.DisposeAsync();
    }

    private static ServiceProvider Build(HistoryServers servers, IConnectionMultiplexer redis, string lookUps) => servers.Build(
        redis, new Lifeline(), services => services.AddOrderWriting(), ("Worker:LookUpsAfterSurprise", lookUps));
}
