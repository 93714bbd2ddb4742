using System.Text;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Consuming;

namespace Seckill.Tests.Worker;

/// <summary>One session's deliveries from a real broker, and its acks.</summary>
[Collection(nameof(WorkerServers))]
public sealed class ConsumerSessionTests(WorkerServers servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_delivery_that_fails_is_not_acked_with_those_around_it()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        foreach (var body in (string[])["first", "second", "third"])
        {
            await shop.PublishAsync(body, Cancelled);
        }

        await using (var session = await OpenAsync(heldBytesMax: 1_000_000, new FailingTime(failAt: 2)))
        {
            // Everything that it offers is acked, as in the pipeline.
            await foreach (var delivery in session.Deliveries.ReadAllAsync(Cancelled))
            {
                var batch = new OrderBatch(0);
                batch.Add(delivery);
                await session.SettleAsync(batch, new HashSet<ulong>(), new HashSet<ulong>(), Cancelled);
            }

            Assert.Equal(SessionEndKind.Failed, session.End?.Kind);
        }

        await Deadline.UntilAsync(() => shop.QueuedCountAsync(Cancelled), count => count == 2, Cancelled);
    }

    [Fact]
    public async Task A_batch_that_does_not_follow_the_last_one_is_not_acked()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        await shop.PublishAsync("first", Cancelled);
        await shop.PublishAsync("second", Cancelled);
        await using var session = await OpenAsync(heldBytesMax: 1_000_000, TimeProvider.System);
        _ = await session.Deliveries.ReadAsync(Cancelled);
        var batch = new OrderBatch(0);
        batch.Add(await session.Deliveries.ReadAsync(Cancelled));

        await Assert.ThrowsAsync<InvalidOperationException>(
            () => session.SettleAsync(batch, new HashSet<ulong>(), new HashSet<ulong>(), Cancelled));
    }

    [Fact]
    public async Task A_batch_takes_deliveries_in_their_turn_only()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        for (var i = 0; i < 3; i++)
        {
            await shop.PublishAsync("message", Cancelled);
        }

        await using var session = await OpenAsync(heldBytesMax: 1_000_000, TimeProvider.System);
        var batch = new OrderBatch(0);
        batch.Add(await session.Deliveries.ReadAsync(Cancelled));
        _ = await session.Deliveries.ReadAsync(Cancelled);
        var third = await session.Deliveries.ReadAsync(Cancelled);

        Assert.Throws<InvalidOperationException>(() => batch.Add(third));
    }

    [Fact]
    public async Task No_more_bytes_are_held_than_allowed()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        for (var i = 0; i < 10; i++)
        {
            await shop.PublishAsync(new byte[100_000], Cancelled);
        }

        await using var session = await OpenAsync(heldBytesMax: 350_000, TimeProvider.System);
        var deliveries = new List<Delivery>();
        await foreach (var delivery in session.Deliveries.ReadAllAsync(Cancelled))
        {
            deliveries.Add(delivery);
        }

        Assert.Equal(SessionEndKind.TooManyBytes, session.End?.Kind);
        Assert.Equal(3, deliveries.Count);
        Assert.Equal(100_000, session.LargestBodyBytes);
    }

    [Fact]
    public async Task Those_left_to_the_broker_are_dead_letters_and_the_others_are_acked()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        for (var i = 0; i < 4; i++)
        {
            await shop.PublishAsync($"message {i + 1}", Cancelled);
        }

        await using (var session = await OpenAsync(heldBytesMax: 1_000_000, TimeProvider.System))
        {
            var batch = new OrderBatch(0);
            for (var i = 0; i < 4; i++)
            {
                batch.Add(await session.Deliveries.ReadAsync(Cancelled));
            }

            await session.SettleAsync(batch, new HashSet<ulong> { 2, 4 }, new HashSet<ulong>(), Cancelled);
            Assert.Equal(0, session.HeldCount);
        }

        string[] bodies = [await BodyAsync(shop), await BodyAsync(shop)];
        Assert.Equal(["message 2", "message 4"], bodies.Order());
        Assert.Equal(0u, await shop.QueuedCountAsync(Cancelled));
    }

    private static async Task<string> BodyAsync(Shop shop) => Encoding.UTF8.GetString((await shop.DeadLetterAsync(Cancelled)).Body.Span);

    private Task<ConsumerSession> OpenAsync(long heldBytesMax, TimeProvider time) => ConsumerSession.OpenAsync(
        new ConnectionFactory { Uri = new Uri(servers.RabbitMq.ConnectionString), AutomaticRecoveryEnabled = false },
        TimeSpan.FromMilliseconds(Deadline.TimeoutMs), new SessionPlan(100, heldBytesMax, null, null),
        new WorkerHealth(Options.Create(new WorkerOptions()), TimeProvider.System), time, Cancelled);

    /// <summary>A clock that fails at the nth call, simulating a failure (such as out of memory) while a delivery is taken over.</summary>
    private sealed class FailingTime(int failAt) : TimeProvider
    {
        private int _asked;

        public override DateTimeOffset GetUtcNow() =>
            Interlocked.Increment(ref _asked) == failAt ? throw new InsufficientMemoryException("planted") : base.GetUtcNow();
    }
}
