using RabbitMQ.Client;
using Seckill.LocalServers;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Faults;

[CollectionDefinition(nameof(FaultSystem))]
public sealed class FaultSystemDefinition : ICollectionFixture<FaultSystem>;

/// <summary>
/// One set of servers for all tests that kill something, with bounds so short that a recovery takes seconds. Each test begins with a healthy system: see
/// <see cref="ReadyAsync"/>.
/// </summary>
public sealed class FaultSystem : IAsyncLifetime
{
    private static readonly (string Name, string Value)[] ShortBounds =
    [
        ("Publish__ConfirmTimeoutMs", "1500"),
        ("Publish__SweepGraceMs", "3000"),
        ("Publish__SweepEveryMs", "200"),
        ("Publish__SweepLeaseMs", "1000"),
        ("Catalogue__RefreshEveryMs", "300"),
        ("Catalogue__CheckEveryMs", "500"),
        ("Catalogue__DrainWaitMsMax", "20000"),
        ("Reconciliation__EveryMs", "500"),
        ("Reconciliation__LeaseMs", "1000"),
        ("Reconciliation__StuckAfterMs", "3000"),
        ("DeadLetters__OperationTimeoutMs", "4000"),
        ("DeadLetters__LockMarginMs", "100"),
        // Several batches out of a few dozen orders, so that the third one is reached.
        ("Worker__BatchSizeMax", "8"),
        ("Worker__PrefetchCountMax", "64"),
        ("Worker__RetryDelayMsMax", "500"),
    ];

    public LocalSystem System { get; private set; } = null!;

    public async ValueTask InitializeAsync() => System = await LocalSystem.StartServersAsync(SystemUnderTest.Options(ShortBounds), CancellationToken.None)
        .WithApplicationsAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => System is null ? ValueTask.CompletedTask : System.DisposeAsync();

    /// <summary>Brings back whatever the test before left dead, stops whatever it left armed, and empties the queues.</summary>
    public async Task<LocalSystem> ReadyAsync(CancellationToken cancellationToken)
    {
        await System.RestartDeadServersAsync(cancellationToken);
        await Task.WhenAll(OneAsync(System.Apis, () => System.StartApiAsync(cancellationToken)), OneAsync(System.Workers, () => System.StartWorkerAsync(cancellationToken)));
        await using var connection = await ConnectAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await OrderTopology.DeclareAsync(channel, cancellationToken);
        await channel.QueuePurgeAsync(OrderTopology.Queue, cancellationToken);
        await channel.QueuePurgeAsync(OrderTopology.DeadLetterQueue, cancellationToken);
        return System;

        async Task OneAsync(IReadOnlyList<LocalService> running, Func<Task> start)
        {
            await System.EndAsync(running.Where((service, i) => i > 0 || service.Exited.IsCompleted), kill: true);
            if (running.Count == 0)
            {
                await start();
            }
        }
    }

    /// <summary>Kills all Api instances or workers.</summary>
    public Task EndAllAsync(IReadOnlyList<LocalService> services) => System.EndAsync(services, kill: true);

    /// <summary>A connection to the broker of the test's own.</summary>
    public Task<IConnection> ConnectAsync(CancellationToken cancellationToken) => System.OpenRabbitMqAsync(cancellationToken);
}
