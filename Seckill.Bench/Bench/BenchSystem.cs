using System.Globalization;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Bench.Load;
using Seckill.Bench.Textbook;
using Seckill.LocalServers;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Bench.Bench;

/// <summary>
/// A whole system of the benchmark's own, on random ports and temporary folders, with every durability setting on: three servers, one Api, one
/// worker, and the designs to compare with. Everything shares one machine, the load generator too. It dies with this process.
/// </summary>
internal sealed class BenchSystem : IAsyncDisposable
{
    private const int StartTimeoutMs = 180_000;
    private const int StopTimeoutMs = 30_000;
    private const string WorkerProject = "Seckill.OrderWorker";
    private const string OwnProject = "Seckill.Bench";

    /// <summary>.NET's own 70, in hexadecimal as the runtime's variables are: it comes before what this program sets for itself.</summary>
    private const string DefaultSpinLimit = "46";

    private readonly RedisServer _redis;
    private readonly RabbitMqServer _rabbitMq;
    private readonly MySqlServer _mySql;
    private readonly List<LocalService> _services = [];
    private readonly Dictionary<string, LocalService> _own = [];
    private readonly Dictionary<string, string> _environment;
    private readonly TextWriter _log;

    private BenchSystem(RedisServer redis, RabbitMqServer rabbitMq, MySqlServer mySql, TextWriter log)
    {
        (_redis, _rabbitMq, _mySql, _log) = (redis, rabbitMq, mySql, TextWriter.Synchronized(log));
        _environment = new Dictionary<string, string>
        {
            ["ConnectionStrings__redis"] = redis.ConnectionString,
            ["ConnectionStrings__rabbitmq"] = rabbitMq.ConnectionString,
            ["ConnectionStrings__mysql"] = mySql.ConnectionString,
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["Auth__SigningKey"] = TokenIssuer.DevelopmentKey,
            // All buyers come from one address, and the same one again in each round.
            ["Limits__UserPurchasesPerSecond"] = "0",
            ["Yardstick__Enabled"] = "true",
        };
    }

    public LocalService Api { get; private set; } = null!;

    public LocalService Worker { get; private set; } = null!;

    /// <summary>Runs in the stage with two workers only.</summary>
    public LocalService? SecondWorker { get; private set; }

    public IConnectionMultiplexer RedisConnection { get; private set; } = null!;

    public string RabbitMq => _rabbitMq.ConnectionString;

    public string MySql => _mySql.ConnectionString;

    public string OperatorToken { get; } = new TokenIssuer(TokenIssuer.DevelopmentKey).ForOperator();

    /// <summary>As the servers say themselves.</summary>
    public string Versions => string.Create(
        CultureInfo.InvariantCulture, $"Redis {_redis.Version}, RabbitMQ {_rabbitMq.Version}, MySQL {_mySql.Version}, .NET {Environment.Version}");

    public static async Task<BenchSystem> StartAsync(TextWriter log, CancellationToken cancellationToken)
    {
        var redis = await RedisServer.StartAsync(new RedisServerOptions(), cancellationToken);
        var rabbitMq = await RabbitMqServer.StartAsync(new RabbitMqServerOptions(), cancellationToken);
        var mySql = await MySqlServer.StartAsync(new MySqlServerOptions { BufferPoolMiB = 1_024 }, cancellationToken);
        var system = new BenchSystem(redis, rabbitMq, mySql, log);
        await system.StartWorkerAsync(cancellationToken);
        system.Api = await system.StartAsync("api", "Seckill.Api", cancellationToken);
        system.RedisConnection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        await using var context = system.Context();
        await context.Database.ExecuteSqlRawAsync(DatabaseDesign.VersionTable, cancellationToken);
        return system;
    }

    /// <summary>One of the designs to compare with, or the empty endpoint: this very program with another command; started once.</summary>
    public async Task<LocalService> OwnAsync(string name, CancellationToken cancellationToken, params string[] arguments)
    {
        if (!_own.TryGetValue(name, out var service))
        {
            _own.Add(name, service = await StartAsync(name, OwnProject, cancellationToken, arguments));
        }

        return service;
    }

    public async Task StartWorkerAsync(CancellationToken cancellationToken) => Worker = await StartAsync("worker", WorkerProject, cancellationToken);

    public async Task StartSecondWorkerAsync(CancellationToken cancellationToken) =>
        SecondWorker = await StartAsync("worker-2", WorkerProject, cancellationToken);

    public async Task StopSecondWorkerAsync(CancellationToken cancellationToken)
    {
        if (SecondWorker is { } second)
        {
            SecondWorker = null;
            await StopAsync(second, cancellationToken);
        }
    }

    /// <summary>One more Api, which publishes each order in a message of its own.</summary>
    public Task<LocalService> SinglesApiAsync(CancellationToken cancellationToken) => StartAsync(
        "api-singles", "Seckill.Api", new Dictionary<string, string>(_environment) { ["Publish__OrdersPerMessageMax"] = "1" }, [], cancellationToken);

    public async Task StopAsync(LocalService service, CancellationToken cancellationToken)
    {
        service.Continue();
        _services.Remove(service);
        await service.StopAsync(StopTimeoutMs, cancellationToken);
        service.Dispose();
    }

    public OrderingDbContext Context() => new(
        new DbContextOptionsBuilder<OrderingDbContext>().UseMySql(MySql, new MySqlServerVersion(new Version(8, 0, 36))).Options);

    public Task<IConnection> ConnectAsync(CancellationToken cancellationToken) =>
        new ConnectionFactory { Uri = new Uri(RabbitMq), AutomaticRecoveryEnabled = false }.CreateConnectionAsync("bench", cancellationToken);

    /// <summary>A number out of MySQL.</summary>
    public async Task<long> CountAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(MySql);
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in Enumerable.Reverse(_services))
        {
            service.Continue();
            await service.StopAsync(StopTimeoutMs, CancellationToken.None);
            service.Dispose();
        }

        await RedisConnection.DisposeAsync();
        // What the servers hold is not wanted any more.
        _redis.Kill();
        _rabbitMq.Kill();
        _mySql.Kill();
        await _redis.DisposeAsync();
        await _rabbitMq.DisposeAsync();
        await _mySql.DisposeAsync();
    }

    private Task<LocalService> StartAsync(string name, string project, CancellationToken cancellationToken, params string[] arguments)
    {
        var environment = new Dictionary<string, string>(_environment);
        if (project == OwnProject)
        {
            environment["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = DefaultSpinLimit;
        }

        return StartAsync(name, project, environment, arguments, cancellationToken);
    }

    private async Task<LocalService> StartAsync(
        string name, string project, Dictionary<string, string> environment, string[] arguments, CancellationToken cancellationToken)
    {
        var url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{LoopbackPorts.Take()}");
        var service = await LocalService.StartAsync(name, project, url, environment, line => _log.WriteLine($"{name,-12} | {line}"), arguments);
        _services.Add(service);
        await service.WaitUntilHealthyAsync(StartTimeoutMs, cancellationToken);
        return service;
    }
}
