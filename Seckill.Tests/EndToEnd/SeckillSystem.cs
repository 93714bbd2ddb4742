using System.Collections.Concurrent;
using System.Globalization;
using MySqlConnector;
using Seckill.LocalServers;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.EndToEnd;

/// <summary>
/// The whole system as users have it: three servers and the applications as processes of their own, on ports and folders of the test's. Everything can be
/// killed and started again.
/// </summary>
public sealed class SeckillSystem : IAsyncDisposable
{
    private const int StartTimeoutMs = 120_000;
    private const int StopTimeoutMs = 30_000;
    private const int LogLinesMax = 2_000;

    private readonly Dictionary<string, string> _environment = [];
    private readonly ConcurrentQueue<string> _log = new();
    private readonly List<LocalService> _workers = [];
    private readonly List<LocalService> _apis = [];
    private readonly List<LocalService> _consoles = [];

    private SeckillSystem(RedisServer redis, RabbitMqServer rabbitMq, MySqlServer mySql)
    {
        (Redis, RabbitMq, MySql) = (redis, rabbitMq, mySql);
        _environment["ConnectionStrings__redis"] = redis.ConnectionString;
        _environment["ConnectionStrings__rabbitmq"] = rabbitMq.ConnectionString;
        _environment["ConnectionStrings__mysql"] = mySql.ConnectionString;
        _environment["ASPNETCORE_ENVIRONMENT"] = "Development";
    }

    public RedisServer Redis { get; }

    public RabbitMqServer RabbitMq { get; }

    public MySqlServer MySql { get; }

    /// <summary>A connection of the tests' own.</summary>
    public IConnectionMultiplexer RedisConnection { get; private set; } = null!;

    public StockLedger Ledger => new(RedisConnection);

    public IReadOnlyList<LocalService> Apis => _apis;

    public IReadOnlyList<LocalService> Workers => _workers;

    /// <summary>What the applications printed last; for the message of a failed test.</summary>
    public string Log => string.Join('\n', _log);

    /// <summary>Starts the servers alone.</summary>
    public static async Task<SeckillSystem> StartServersAsync(CancellationToken cancellationToken)
    {
        var redis = RedisServer.StartAsync(new RedisServerOptions(), cancellationToken);
        var rabbitMq = RabbitMqServer.StartAsync(new RabbitMqServerOptions(), cancellationToken);
        var mySql = MySqlServer.StartAsync(new MySqlServerOptions(), cancellationToken);
        var system = new SeckillSystem(await redis, await rabbitMq, await mySql);
        var options = ConfigurationOptions.Parse(system.Redis.ConnectionString);
        options.AbortOnConnectFail = false;
        options.AllowAdmin = true;
        system.RedisConnection = await ConnectionMultiplexer.ConnectAsync(options);
        return system;
    }

    /// <summary>Starts servers, a worker and an Api, with settings for both applications as environment variables.</summary>
    public static async Task<SeckillSystem> StartAsync(IReadOnlyDictionary<string, string> settings, CancellationToken cancellationToken)
    {
        var system = await StartServersAsync(cancellationToken);
        foreach (var (name, value) in settings)
        {
            system._environment[name] = value;
        }

        await system.StartWorkerAsync(cancellationToken);
        await system.StartApiAsync(cancellationToken);
        return system;
    }

    public Task<LocalService> StartWorkerAsync(
        CancellationToken cancellationToken, string? crashAt = null, bool waitUntilHealthy = true, params (string Name, string Value)[] settings) =>
        StartAsync("order-worker", "Seckill.OrderWorker", _workers, crashAt, waitUntilHealthy, settings, cancellationToken);

    public Task<LocalService> StartApiAsync(
        CancellationToken cancellationToken, string? crashAt = null, bool waitUntilHealthy = true, params (string Name, string Value)[] settings) =>
        StartAsync("api", "Seckill.Api", _apis, crashAt, waitUntilHealthy, settings, cancellationToken);

    /// <summary>The operator's console, in front of the first Api.</summary>
    public Task<LocalService> StartConsoleAsync(CancellationToken cancellationToken, params (string Name, string Value)[] settings) =>
        StartAsync(
            "console", "Seckill.Console", _consoles, crashAt: null, waitUntilHealthy: true, [("Api__Url", _apis[0].Url), .. settings], cancellationToken);

    /// <summary>Stops a process as SIGTERM does, or kills it.</summary>
    public async Task EndAsync(LocalService service, bool kill)
    {
        if (kill)
        {
            service.Kill();
        }

        await service.StopAsync(StopTimeoutMs, CancellationToken.None);
        service.Dispose();
        _consoles.Remove(service);
        _apis.Remove(service);
        _workers.Remove(service);
    }

    public ShopClient Client(LocalService? api = null) => new((api ?? _apis[0]).Url);

    /// <summary>An open connection of the test's own.</summary>
    public async Task<MySqlConnection> OpenMySqlAsync(CancellationToken cancellationToken)
    {
        var connection = new MySqlConnection(MySql.ConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    /// <summary>One number from MySQL.</summary>
    public async Task<long> CountAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await OpenMySqlAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
    }

    /// <summary>Puts a new SKU on sale; the Api instances find it by themselves.</summary>
    public async Task AddSaleAsync(long skuId, int units, int limitPerUser, CancellationToken cancellationToken, TimeSpan? startsIn = null, TimeSpan? endsIn = null)
    {
        await using var connection = await OpenMySqlAsync(cancellationToken);
        await using var command = new MySqlCommand(
            """
            INSERT INTO products (id, title, description, image) VALUES (@sku, 'Test', 'Test', '/img/test.svg');
            INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs) VALUES (@sku, @sku, 'Test SKU', 9.90, @units, '/img/test.svg', '{}');
            INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user, units) VALUES (@sku, @starts, @ends, @limit, @units);
            """,
            connection);
        command.Parameters.AddWithValue("@sku", skuId);
        command.Parameters.AddWithValue("@units", units);
        command.Parameters.AddWithValue("@limit", limitPerUser);
        command.Parameters.AddWithValue("@starts", DateTime.UtcNow + (startsIn ?? TimeSpan.FromHours(-1)));
        command.Parameters.AddWithValue("@ends", DateTime.UtcNow + (endsIn ?? TimeSpan.FromDays(1)));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _consoles.Concat(_apis).Concat(_workers).ToArray())
        {
            await EndAsync(service, kill: true);
        }

        await RedisConnection.DisposeAsync();
        await Redis.DisposeAsync();
        await RabbitMq.DisposeAsync();
        await MySql.DisposeAsync();
    }

    private async Task<LocalService> StartAsync(
        string name, string project, List<LocalService> services, string? crashAt, bool waitUntilHealthy, (string Name, string Value)[] settings,
        CancellationToken cancellationToken)
    {
        var environment = new Dictionary<string, string>(_environment);
        foreach (var (setting, value) in settings)
        {
            environment[setting] = value;
        }

        if (crashAt is not null)
        {
            environment["SECKILL_CRASH_AT"] = crashAt;
        }

        var service = await LocalService.StartAsync(name, project, $"http://127.0.0.1:{LoopbackPorts.Take()}", environment, line =>
        {
            _log.Enqueue($"{name}: {line}");
            while (_log.Count > LogLinesMax && _log.TryDequeue(out _))
            {
                // The oldest lines go.
            }
        });
        services.Add(service);
        if (waitUntilHealthy)
        {
            await service.WaitUntilHealthyAsync(StartTimeoutMs, cancellationToken);
        }

        return service;
    }
}
