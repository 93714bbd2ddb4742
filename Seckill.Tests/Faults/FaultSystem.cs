using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Faults;

[CollectionDefinition(nameof(FaultSystem))]
public sealed class FaultSystemDefinition : ICollectionFixture<FaultSystem>;

[CollectionDefinition(nameof(GateCrashes))]
public sealed class GateCrashesDefinition : ICollectionFixture<GateCrashes>;

[CollectionDefinition(nameof(OrderCrashes))]
public sealed class OrderCrashesDefinition : ICollectionFixture<OrderCrashes>;

/// <summary>
/// For applications that die at the gate. Only Redis dies with them, so the other servers are shared, and other tests run at the same time.
/// Started by the first test, because runs without the long tests start none of them.
/// </summary>
public sealed class GateCrashes(SharedServers servers) : FaultSystem
{
    public override ValueTask InitializeAsync() => ValueTask.CompletedTask;

    protected override Task<LocalSystem> StartServersAsync(LocalSystemOptions options, CancellationToken cancellationToken) =>
        servers.StartAsync(SharedServers.GateCrashes, options, cancellationToken);
}

/// <summary>For applications that die behind the gate; no server dies with them. Started by the first test.</summary>
public sealed class OrderCrashes(SharedServers servers) : FaultSystem
{
    public override ValueTask InitializeAsync() => ValueTask.CompletedTask;

    protected override Task<LocalSystem> StartServersAsync(LocalSystemOptions options, CancellationToken cancellationToken) =>
        servers.StartAsync(SharedServers.OrderCrashes, options, cancellationToken);
}

/// <summary>
/// One set of servers for all tests that kill something, with bounds so short that a recovery takes seconds. Each test starts with a
/// healthy system: see <see cref="ReadyAsync"/>.
/// </summary>
public class FaultSystem : IAsyncLifetime
{
    private static readonly (string Name, string Value)[] ShortBounds =
    [
        ("Publish__ConfirmTimeoutMs", "1500"),
        ("Publish__SweepGraceMs", "3000"),
        ("Publish__SweepEveryMs", "200"),
        ("Publish__SweepLeaseMs", "1000"),
        ("Catalogue__RefreshEveryMs", "600"),
        ("Catalogue__CheckEveryMs", "500"),
        ("Catalogue__DrainWaitMsMax", "20000"),
        ("Reconciliation__EveryMs", "500"),
        ("Reconciliation__LeaseMs", "1000"),
        ("Reconciliation__StuckAfterMs", "3000"),
        ("DeadLetters__OperationTimeoutMs", "4000"),
        ("DeadLetters__LockMarginMs", "100"),
        // A few dozen orders make several batches, so that the third one is reached.
        ("Worker__BatchSizeMax", "8"),
        ("Worker__PrefetchCountMax", "64"),
        ("Worker__RetryDelayMsMax", "500"),
    ];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("seckill-faults-");
    private (string Name, string Value)[] _apiSettings = [];
    private LocalSystem? _system;

    private string CrashFile => Path.Combine(_folder.FullName, "crash-at");

    public LocalSystem System => _system ?? throw new InvalidOperationException("It starts with the first call of ReadyAsync.");

    /// <summary>
    /// Settings of an Api for tests that count answers or copies of messages. However busy the machine is, it answers no click "busy", and
    /// its sweeper repeats no order whose confirm is only late; the reconciler still repeats lost ones.
    /// </summary>
    public (string Name, string Value)[] PatientApi =>
        [.. System.Patience(), ("Publish__ConfirmTimeoutMs", "20000"), ("Publish__SweepGraceMs", "40000")];

    public virtual ValueTask InitializeAsync() => StartAsync();

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_system is not null)
        {
            await _system.DisposeAsync();
        }

        _folder.Delete(recursive: true);
    }

    /// <summary>Makes all processes, running and future ones, die at a crash point.</summary>
    /// <param name="point">As in <c>SECKILL_CRASH_AT</c>; empty for none.</param>
    public void Arm(string point)
    {
        // Replaced atomically: a process reads either the old text or the new one.
        var file = CrashFile + ".new";
        File.WriteAllText(file, point);
        File.Move(file, CrashFile, overwrite: true);
    }

    public void Disarm() => Arm("");

    private async ValueTask StartAsync()
    {
        var options = SystemUnderTest.Options([.. ShortBounds, ("SECKILL_CRASH_FILE", CrashFile)]);
        _system = await StartApplicationsAsync(StartServersAsync(options, CancellationToken.None));
    }

    protected virtual Task<LocalSystem> StartServersAsync(LocalSystemOptions options, CancellationToken cancellationToken) =>
        LocalSystem.StartServersAsync(options, cancellationToken);

    protected virtual Task<LocalSystem> StartApplicationsAsync(Task<LocalSystem> servers) =>
        servers.WithApplicationsAsync(CancellationToken.None);

    /// <summary>
    /// Restarts servers that the last test left dead, lets frozen ones continue, replaces dead processes, and empties the queues.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="apiSettings">Settings of the Api; one with others is replaced.</param>
    public async Task<LocalSystem> ReadyAsync(CancellationToken cancellationToken, params (string Name, string Value)[] apiSettings)
    {
        if (_system is null)
        {
            await StartAsync();
        }

        if (!apiSettings.SequenceEqual(_apiSettings))
        {
            await EndAllAsync(System.Apis);
        }

        _apiSettings = apiSettings;
        foreach (var server in (LocalServer[])[System.Redis, System.RabbitMq, System.MySql])
        {
            server.Continue();
        }

        await System.RestartDeadServersAsync(cancellationToken);
        await Task.WhenAll(
            OneAsync(System.Apis, () => System.StartApiAsync(cancellationToken, settings: apiSettings)),
            OneAsync(System.Workers, () => System.StartWorkerAsync(cancellationToken)));
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

    /// <summary>Opens the test's own connection to the broker.</summary>
    public virtual Task<IConnection> ConnectAsync(CancellationToken cancellationToken) => System.OpenRabbitMqAsync(cancellationToken);
}
