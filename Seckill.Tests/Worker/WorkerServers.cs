using MySqlConnector;
using StackExchange.Redis;

namespace Seckill.Tests.Worker;

[CollectionDefinition(nameof(WorkerServers))]
public sealed class WorkerServersDefinition : ICollectionFixture<WorkerServers>;

/// <summary>The three real servers, started once for all tests of the worker, and migrated by a worker.</summary>
public sealed class WorkerServers : IAsyncLifetime
{
    private LocalSystem _system = null!;

    public RedisServer Redis => _system.Redis;

    public RabbitMqServer RabbitMq => _system.RabbitMq;

    public MySqlServer MySql => _system.MySql;

    public IConnectionMultiplexer RedisConnection => _system.RedisConnection;

    public string Versions => _system.Versions;

    public async ValueTask InitializeAsync()
    {
        // A kill must not lose acknowledged writes, so that a test knows the correct state: with `everysec` it may when a flush is
        // slow.
        _system = await LocalSystem.StartServersAsync(
            new LocalSystemOptions
            {
                Redis = new RedisServerOptions { AppendFsyncAlways = true },
                // Like a broker set up by others: it accepts messages that the worker does not.
                RabbitMq = new RabbitMqServerOptions { MessageBytesMax = 134_217_728, FrameBytesMax = 131_072 },
            },
            CancellationToken.None);
        await using var worker = await RunningWorker.StartAsync(this, CancellationToken.None);
        await worker.ConsumingAsync(CancellationToken.None);
    }

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    /// <summary>A worker as a process of its own.</summary>
    public Task<LocalService> StartWorkerProcessAsync(CancellationToken cancellationToken, params (string Name, string Value)[] settings) =>
        _system.StartWorkerAsync(cancellationToken, waitUntilHealthy: true, settings: settings);

    /// <summary>Ends a process.</summary>
    public Task EndAsync(LocalService service) => _system.EndAsync(service, kill: true);

    /// <summary>An open connection of the test's own.</summary>
    public Task<MySqlConnection> OpenMySqlAsync(CancellationToken cancellationToken) => _system.OpenMySqlAsync(cancellationToken);

    /// <summary>The same with the administrator account.</summary>
    public Task<MySqlConnection> OpenMySqlAsAdministratorAsync(CancellationToken cancellationToken) =>
        _system.OpenMySqlAsAdministratorAsync(cancellationToken);
}
