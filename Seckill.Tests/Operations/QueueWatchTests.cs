using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Api.Reconciliation;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;

namespace Seckill.Tests.Operations;

/// <summary>When an order without a verdict counts as lost.</summary>
[Collection(OperationsTests.Name)]
public sealed class QueueWatchTests(OperationsFixture servers)
{
    private const string Worker = "a worker";
    private const int HeldMinutesMax = 30;

    /// <summary>More than the clocks may differ.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private readonly SetClock _time = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_that_workers_do_not_account_for_are_given_up_after_the_brokers_own_bound_and_not_before()
    {
        await servers.PurgeAsync();
        await servers.Redis.KeyDeleteAsync("seckill:workers:held");
        await using var queues = new QueueDepths(new ConnectionFactory { Uri = servers.RabbitMq }, TimeProvider.System);
        var held = new HeldMessages(servers.Redis.Multiplexer);
        var watch = new QueueWatch(
            queues, held, Options.Create(new ReconciliationOptions { HeldMinutesMax = HeldMinutesMax }), _time,
            NullLogger<QueueWatch>.Instance);
        Assert.Null(await watch.ThroughUntilAsync(Cancelled));

        var consumer = await servers.Channel.BasicConsumeAsync(
            OrderTopology.Queue, autoAck: false, new AsyncEventingBasicConsumer(servers.Channel), Cancelled);
        try
        {
            Assert.Equal(TimeSpan.FromMinutes(HeldMinutesMax), await AgeAsync(watch));

            // A worker that holds nothing: messages from before the previous look have gone through.
            await LookAsync(watch, held, TimeSpan.Zero);
            Assert.InRange(await LookAsync(watch, held, TimeSpan.Zero), LookEvery, 3 * LookEvery);

            // A worker that holds messages of unknown age: the moment stays the same until no message can have been held for that long.
            await LookAsync(watch, held, HeldMessages.UnknownAge);
            _time.Move(TimeSpan.FromMinutes(HeldMinutesMax - 1));
            Assert.InRange(
                await LookAsync(watch, held, HeldMessages.UnknownAge), TimeSpan.FromMinutes(HeldMinutesMax - 1),
                TimeSpan.FromMinutes(HeldMinutesMax) - TimeSpan.FromTicks(1));
            _time.Move(TimeSpan.FromMinutes(HeldMinutesMax));
            Assert.Equal(TimeSpan.FromMinutes(HeldMinutesMax), await LookAsync(watch, held, HeldMessages.UnknownAge));
        }
        finally
        {
            await servers.Channel.BasicCancelAsync(consumer, cancellationToken: Cancelled);
        }
    }

    /// <summary>The next look, after a worker's report.</summary>
    private async Task<TimeSpan> LookAsync(QueueWatch watch, HeldMessages held, TimeSpan oldestAge)
    {
        await held.ReportAsync(Worker, oldestAge, Cancelled);
        _time.Move(LookEvery);
        return await AgeAsync(watch);
    }

    /// <summary>The age of the newest order that can be known to be lost.</summary>
    private async Task<TimeSpan> AgeAsync(QueueWatch watch) =>
        _time.GetUtcNow() - (await watch.ThroughUntilAsync(Cancelled) ?? throw new InvalidOperationException("nothing can be told"));
}
