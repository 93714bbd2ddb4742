using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Seckill.Bench.Textbook;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Bench.Bench;

/// <summary>
/// A whole system of the benchmark's own with every durability setting on: three servers, one Api, one worker, and the designs to compare
/// with. Everything shares one machine, including the load generator.
/// </summary>
internal sealed class BenchSystem : IAsyncDisposable
{
    private const int BufferPoolMiB = 1_024;
    private const string OwnProject = "Seckill.Bench";

    /// <summary>.NET's default of 70, in hexadecimal like all runtime variables; it overrides this program's own setting.</summary>
    private const string DefaultSpinLimit = "46";

    /// <summary>Snowflake nodes, from the highest down, that this program itself uses.</summary>
    private const int OwnIdNodes = 2;

    private readonly LocalSystem _system;
    private readonly Dictionary<string, LocalService> _own = [];
    private (string Name, string Value)[] _apiSettings = [];

    private BenchSystem(LocalSystem system) => _system = system;

    public LocalService Api => _system.Apis[0];

    public LocalService Worker => _system.Workers[0];

    /// <summary>More than one only in the stages that compare numbers of workers.</summary>
    public IReadOnlyList<LocalService> Workers => _system.Workers;

    /// <summary>The processes that an order passes through.</summary>
    public IReadOnlyList<(string Name, int ProcessId)> Processes =>
    [
        ("Api", Api.ProcessId), ("Redis", _system.Redis.ProcessId), ("RabbitMQ", _system.RabbitMq.ProcessId),
        ("worker", Worker.ProcessId), ("MySQL", _system.MySql.ProcessId),
    ];

    public IConnectionMultiplexer RedisConnection => _system.RedisConnection;

    public string RabbitMq => _system.RabbitMqConnectionString;

    public string MySql => _system.MySqlConnectionString;

    public string OperatorToken { get; } = new TokenIssuer(CheckoutKeys.SigningKey).ForOperator();

    /// <summary>As reported by the servers.</summary>
    public string Versions => $"{_system.Versions}, .NET {Environment.Version}";

    /// <summary>Starts all of it.</summary>
    /// <param name="log">Gets the output of servers and applications.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <param name="apiSettings">Settings of the Api that depend on the servers; without them it has its defaults.</param>
    public static async Task<BenchSystem> StartAsync(
        TextWriter log, CancellationToken cancellationToken, Func<LocalSystem, (string Name, string Value)[]>? apiSettings = null)
    {
        var lines = TextWriter.Synchronized(log);
        var system = await LocalSystem.StartServersAsync(
            new LocalSystemOptions
            {
                MySql = new MySqlServerOptions { BufferPoolMiB = BufferPoolMiB },
                Settings = new Dictionary<string, string>
                {
                    ["ASPNETCORE_ENVIRONMENT"] = "Production",
                    ["Auth__SigningKey"] = CheckoutKeys.SigningKey,
                    // All buyers come from one address, and the same buyers come again in each round.
                    ["Limits__UserPurchasesPerSecond"] = "0",
                    ["Draining__ServeForMs"] = "0",
                    ["Yardstick__Enabled"] = "true",
                },
                OnLine = (source, line) => lines.WriteLine($"{source,-14} | {line}"),
            },
            cancellationToken);
        var bench = new BenchSystem(system);
        try
        {
            await system.StartWorkerAsync(cancellationToken);
            bench._apiSettings = apiSettings?.Invoke(system) ?? [];
            await system.StartApiAsync(cancellationToken, settings: bench._apiSettings);
            await using var context = bench.Context();
            await context.Database.ExecuteSqlRawAsync(DatabaseDesign.VersionTable, cancellationToken);
            return bench;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>A textbook design, or the empty endpoint: this same program with another command, started once.</summary>
    public async Task<LocalService> OwnAsync(string name, CancellationToken cancellationToken, params string[] arguments)
    {
        if (!_own.TryGetValue(name, out var service))
        {
            service = await _system.StartAsync(
                name, OwnProject, arguments, cancellationToken, ("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", DefaultSpinLimit),
                (DatabaseDesign.IdNode, $"{SnowflakeSequence.NodeMax - OwnIdNodes - _own.Count}"));
            _own.Add(name, service);
        }

        return service;
    }

    public Task StartWorkerAsync(CancellationToken cancellationToken) => _system.StartWorkerAsync(cancellationToken);

    /// <summary>Stops all workers but the first.</summary>
    public async Task StopOtherWorkersAsync()
    {
        foreach (var worker in Workers.Skip(1).ToArray())
        {
            await StopAsync(worker);
        }
    }

    /// <summary>Another Api, with settings of its own after those of the first.</summary>
    public Task<LocalService> StartApiAsync(CancellationToken cancellationToken, params (string Name, string Value)[] settings) =>
        _system.StartApiAsync(cancellationToken, settings: [.. _apiSettings, .. settings]);

    /// <summary>The same worker with other settings.</summary>
    public async Task RestartWorkerAsync(CancellationToken cancellationToken, params (string Name, string Value)[] settings)
    {
        await _system.RestartAsync(Worker, cancellationToken, settings);
        await _system.WaitUntilHealthyAsync(Worker, cancellationToken);
    }

    public Task StopAsync(LocalService service) => _system.EndAsync(service, kill: false);

    public OrderingDbContext Context() => new(
        new DbContextOptionsBuilder<OrderingDbContext>().UseMySql(MySql, new MySqlServerVersion(new Version(8, 0, 36))).Options);

    public Task<IConnection> ConnectAsync(CancellationToken cancellationToken) => _system.OpenRabbitMqAsync(cancellationToken);

    /// <summary>Reads one number from MySQL.</summary>
    public Task<long> CountAsync(string sql, CancellationToken cancellationToken) => _system.CountAsync(sql, cancellationToken);

    public ValueTask DisposeAsync() => _system.DisposeAsync();
}
