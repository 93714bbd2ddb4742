using MySqlConnector;
using Seckill.LocalServers;
using StackExchange.Redis;

namespace Seckill.Tests.Worker;

[CollectionDefinition(nameof(WorkerServers))]
public sealed class WorkerServersDefinition : ICollectionFixture<WorkerServers>;

/// <summary>The three real servers, started once for all tests of the worker, and migrated by a worker.</summary>
public sealed class WorkerServers : IAsyncLifetime
{
    public RedisServer Redis { get; private set; } = null!;

    public RabbitMqServer RabbitMq { get; private set; } = null!;

    public MySqlServer MySql { get; private set; } = null!;

    public IConnectionMultiplexer RedisConnection { get; private set; } = null!;

    public string Versions => $"Redis {Redis.Version}, RabbitMQ {RabbitMq.Version}, MySQL {MySql.Version}";

    public async ValueTask InitializeAsync()
    {
        var redis = RedisServer.StartAsync(new RedisServerOptions());
        var rabbitMq = RabbitMqServer.StartAsync(new RabbitMqServerOptions());
        var mySql = MySqlServer.StartAsync(new MySqlServerOptions());
        (Redis, RabbitMq, MySql) = (await redis, await rabbitMq, await mySql);
        var options = ConfigurationOptions.Parse(Redis.ConnectionString);
        options.AbortOnConnectFail = false;
        RedisConnection = await ConnectionMultiplexer.ConnectAsync(options);
        await using var worker = await RunningWorker.StartAsync(this, CancellationToken.None);
        await worker.ConsumingAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await RedisConnection.DisposeAsync();
        await Redis.DisposeAsync();
        await RabbitMq.DisposeAsync();
        await MySql.DisposeAsync();
    }

    /// <summary>An open connection of the test's own.</summary>
    public async Task<MySqlConnection> OpenMySqlAsync(CancellationToken cancellationToken)
    {
        var connection = new MySqlConnection(MySql.ConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        return connection;
    }
}
