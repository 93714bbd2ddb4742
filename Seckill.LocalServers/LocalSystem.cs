using System.Collections.Concurrent;
using System.Globalization;
using MySqlConnector;
using RabbitMQ.Client;
using StackExchange.Redis;

namespace Seckill.LocalServers;

/// <summary>
/// The whole system as in production: three servers and the applications as separate processes, with private ports and folders.
/// Each can be stopped, killed, frozen and restarted. The system dies with this process and touches no other running system.
/// </summary>
public sealed class LocalSystem : IAsyncDisposable
{
    private const int LogLinesMax = 2_000;

    private readonly LocalSystemOptions _options;
    private readonly RedisServer? _redis;
    private readonly RabbitMqServer? _rabbitMq;
    private readonly MySqlServer? _mySql;

    /// <summary>Servers that this system disposes.</summary>
    private readonly IReadOnlyList<LocalServer> _ownServers = [];
    private readonly Dictionary<string, string> _environment;
    private readonly ConcurrentQueue<string> _log = new();
    private readonly List<LocalService> _workers = [];
    private readonly List<LocalService> _apis = [];
    private readonly List<LocalService> _others = [];

    private LocalSystem(LocalSystemOptions options, RedisServer redis, RabbitMqServer rabbitMq, MySqlServer mySql, string? name)
        : this(
            options, redis.ConnectionString, name is null ? rabbitMq.ConnectionString : rabbitMq.ConnectionStringOf(name),
            name is null ? mySql.ConnectionString : mySql.ConnectionStringOf(name))
    {
        (_redis, _rabbitMq, _mySql) = (redis, rabbitMq, mySql);
        _ownServers = name is null ? [redis, rabbitMq, mySql] : [redis];
    }

    private LocalSystem(LocalSystemOptions options, string redis, string rabbitMq, string mySql)
    {
        _options = options;
        (RedisConnectionString, RabbitMqConnectionString, MySqlConnectionString) = (redis, rabbitMq, mySql);
        _environment = new Dictionary<string, string>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            ["Auth__SigningKey"] = CheckoutKeys.SigningKey,
            ["Ops__Key"] = CheckoutKeys.OpsKey,
        };
        foreach (var (variable, value) in options.Settings)
        {
            _environment[variable] = value;
        }

        _environment["ConnectionStrings__redis"] = RedisConnectionString;
        _environment["ConnectionStrings__rabbitmq"] = RabbitMqConnectionString;
        _environment["ConnectionStrings__mysql"] = MySqlConnectionString;
    }

    public RedisServer Redis => _redis ?? throw ServersUnknown();

    public RabbitMqServer RabbitMq => _rabbitMq ?? throw ServersUnknown();

    public MySqlServer MySql => _mySql ?? throw ServersUnknown();

    public string RedisConnectionString { get; }

    public string RabbitMqConnectionString { get; }

    public string MySqlConnectionString { get; }

    /// <summary>As reported by the servers.</summary>
    public string Versions => $"Redis {Redis.Version}, RabbitMQ {RabbitMq.Version}, MySQL {MySql.Version}";

    /// <summary>A connection separate from those of the applications.</summary>
    public IConnectionMultiplexer RedisConnection { get; private set; } = null!;

    public IReadOnlyList<LocalService> Apis => _apis;

    public IReadOnlyList<LocalService> Workers => _workers;

    /// <summary>The last lines of the applications' output.</summary>
    public string Log => string.Join('\n', _log);

    /// <summary>Starts the three servers in parallel, without applications.</summary>
    /// <exception cref="LocalServerException">One is not installed, or did not answer in time.</exception>
    public static async Task<LocalSystem> StartServersAsync(LocalSystemOptions options, CancellationToken cancellationToken)
    {
        var redis = RedisServer.StartAsync(options.Redis, cancellationToken);
        var rabbitMq = RabbitMqServer.StartAsync(options.RabbitMq, cancellationToken);
        var mySql = MySqlServer.StartAsync(options.MySql with { WithAdministrator = true }, cancellationToken);
        try
        {
            await Task.WhenAll(redis, rabbitMq, mySql);
        }
        catch
        {
            await DisposeAsync(redis);
            await DisposeAsync(rabbitMq);
            await DisposeAsync(mySql);
            throw;
        }

        return await ConnectedAsync(new LocalSystem(options, await redis, await rabbitMq, await mySql, name: null));
    }

    /// <summary>
    /// Another system on this one's RabbitMQ and MySQL, in the virtual host and the database of that name, with a Redis of its
    /// own: neither sees the other. The broker must have the virtual host, see <see cref="RabbitMqServerOptions.VirtualHosts"/>.
    /// </summary>
    public async Task<LocalSystem> StartBesideAsync(string name, LocalSystemOptions options, CancellationToken cancellationToken)
    {
        await MySql.AddDatabaseAsync(name, cancellationToken);
        var redis = await RedisServer.StartAsync(options.Redis, cancellationToken);
        return await ConnectedAsync(new LocalSystem(options, redis, RabbitMq, MySql, name));
    }

    /// <summary>Applications on servers that the caller starts and stops, such as clusters.</summary>
    public static Task<LocalSystem> StartOnAsync(LocalSystemOptions options, string redis, string rabbitMq, string mySql) =>
        ConnectedAsync(new LocalSystem(options, redis, rabbitMq, mySql));

    /// <summary>A worker, from another checkout if one is named.</summary>
    public Task<LocalService> StartWorkerAsync(
        CancellationToken cancellationToken, bool waitUntilHealthy = true, string of = "", params (string Name, string Value)[] settings) =>
        StartAsync(_workers, "order-worker", Path.Combine(of, "Seckill.OrderWorker"), [], waitUntilHealthy, settings, cancellationToken);

    /// <summary>An Api, likewise.</summary>
    public Task<LocalService> StartApiAsync(
        CancellationToken cancellationToken, bool waitUntilHealthy = true, string of = "", params (string Name, string Value)[] settings) =>
        StartAsync(_apis, "api", Path.Combine(of, "Seckill.Api"), [], waitUntilHealthy, settings, cancellationToken);

    /// <summary>The operator's console, in front of the first Api.</summary>
    public Task<LocalService> StartConsoleAsync(CancellationToken cancellationToken, params (string Name, string Value)[] settings) =>
        StartAsync(
            _others, "console", "Seckill.Console", [], waitUntilHealthy: true, [("Api__Url", _apis[0].Url), .. settings],
            cancellationToken);

    /// <summary>Any other application on these servers.</summary>
    public Task<LocalService> StartAsync(
        string name, string project, string[] arguments, CancellationToken cancellationToken,
        params (string Name, string Value)[] settings) =>
        StartAsync(_others, name, project, arguments, waitUntilHealthy: true, settings, cancellationToken);

    /// <summary>Waits until an application is healthy.</summary>
    public Task WaitUntilHealthyAsync(LocalService service, CancellationToken cancellationToken) =>
        service.WaitUntilHealthyAsync(_options.StartTimeoutMs, cancellationToken);

    /// <summary>Restarts an application at its address, once its previous process is gone.</summary>
    public Task RestartAsync(LocalService service, CancellationToken cancellationToken, params (string Name, string Value)[] settings) =>
        service.RestartAsync(_options.StopTimeoutMs, cancellationToken, settings);

    /// <summary>Stops an application with SIGTERM, or kills it; it is no longer part of the system.</summary>
    public Task EndAsync(LocalService service, bool kill) => EndAsync([service], kill);

    /// <summary>Ends several applications in parallel.</summary>
    public async Task EndAsync(IEnumerable<LocalService> services, bool kill)
    {
        var ending = services.ToArray();
        await Task.WhenAll(ending.Select(service => StopAsync(service, kill)));
        foreach (var service in ending)
        {
            service.Dispose();
            _ = _others.Remove(service) || _apis.Remove(service) || _workers.Remove(service);
        }
    }

    /// <summary>Stops all applications with SIGTERM, so that the stores can be read while nothing writes.</summary>
    public Task StopApplicationsAsync() => Task.WhenAll(Applications().Select(service => StopAsync(service, kill: false)));

    /// <summary>Restarts the servers that are not running.</summary>
    public Task RestartDeadServersAsync(CancellationToken cancellationToken) => Task.WhenAll(
        new LocalServer[] { Redis, RabbitMq, MySql }.Where(server => !server.Runs)
            .Select(server => server.RestartAsync(cancellationToken)));

    /// <summary>An open connection to MySQL, not pooled.</summary>
    public async Task<MySqlConnection> OpenMySqlAsync(CancellationToken cancellationToken)
    {
        var connection = new MySqlConnection(MySqlConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    /// <summary>The same with the administrator account.</summary>
    public async Task<MySqlConnection> OpenMySqlAsAdministratorAsync(CancellationToken cancellationToken)
    {
        var connection = new MySqlConnection(
            new MySqlConnectionStringBuilder(MySql.AdministratorConnectionString)
            {
                Database = new MySqlConnectionStringBuilder(MySqlConnectionString).Database,
                Pooling = false,
            }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    /// <summary>Reads one number from MySQL.</summary>
    public async Task<long> CountAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = await OpenMySqlAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
    }

    /// <summary>A connection to RabbitMQ that does not recover by itself.</summary>
    public Task<IConnection> OpenRabbitMqAsync(CancellationToken cancellationToken) =>
        new ConnectionFactory { Uri = new Uri(RabbitMqConnectionString), AutomaticRecoveryEnabled = false }
            .CreateConnectionAsync("local system", cancellationToken);

    /// <summary>Kills everything: the data are no longer needed.</summary>
    public async ValueTask DisposeAsync()
    {
        await EndAsync(Applications(), kill: true);
        if (RedisConnection is not null)
        {
            await RedisConnection.DisposeAsync();
        }

        await Task.WhenAll(_ownServers.Select(async server =>
        {
            server.Kill();
            await server.DisposeAsync();
        }));
    }

    private static InvalidOperationException ServersUnknown() => new("The servers were not started by this system.");

    private IReadOnlyList<LocalService> Applications() => [.. _others, .. _apis, .. _workers];

    private async Task StopAsync(LocalService service, bool kill)
    {
        // A frozen process does not handle SIGTERM.
        service.Continue();
        if (kill)
        {
            service.Kill();
        }

        await service.StopAsync(_options.StopTimeoutMs, CancellationToken.None);
    }

    private async Task<LocalService> StartAsync(
        List<LocalService> services, string name, string project, string[] arguments, bool waitUntilHealthy,
        (string Name, string Value)[] settings, CancellationToken cancellationToken)
    {
        var environment = new Dictionary<string, string>(_environment);
        foreach (var (setting, value) in settings)
        {
            environment[setting] = value;
        }

        var url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{LoopbackPorts.Take()}");
        var source =
            services.Count == 0 || services == _others ? name : string.Create(CultureInfo.InvariantCulture, $"{name}-{services.Count + 1}");
        var service = await LocalService.StartAsync(name, project, url, environment, line => Keep(source, line), arguments);
        services.Add(service);
        if (waitUntilHealthy)
        {
            await WaitUntilHealthyAsync(service, cancellationToken);
        }

        return service;
    }

    private void Keep(string source, string line)
    {
        _options.OnLine?.Invoke(source, line);
        _log.Enqueue($"{source}: {line}");
        while (_log.Count > LogLinesMax && _log.TryDequeue(out _))
        {
            // Drops the oldest lines.
        }
    }

    private static async Task<LocalSystem> ConnectedAsync(LocalSystem system)
    {
        try
        {
            var options = ConfigurationOptions.Parse(system.RedisConnectionString);
            options.AbortOnConnectFail = false;
            options.AllowAdmin = true;
            system.RedisConnection = await ConnectionMultiplexer.ConnectAsync(options);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    private static async Task DisposeAsync<T>(Task<T> start) where T : LocalServer
    {
        await ((Task)start).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (start.IsCompletedSuccessfully)
        {
            await (await start).DisposeAsync();
        }
    }
}
