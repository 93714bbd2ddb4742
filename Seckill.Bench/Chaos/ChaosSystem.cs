using System.Globalization;
using MySqlConnector;
using Seckill.LocalServers;

namespace Seckill.Bench.Chaos;

/// <summary>
/// A whole system of the run's own, on random ports and temporary folders: three servers, two gates, two workers. It dies with this process; no
/// system that runs already is touched.
/// </summary>
public sealed class ChaosSystem : IAsyncDisposable
{
    /// <summary>Instances of each application.</summary>
    public const int InstanceCount = 2;

    private const int StartTimeoutMs = 180_000;

    private readonly RedisServer _redis;
    private readonly RabbitMqServer _rabbitMq;
    private readonly MySqlServer _mySql;
    private readonly ChaosLog _log;
    private readonly AppInstance[] _apis;
    private readonly AppInstance[] _workers;

    private ChaosSystem(RedisServer redis, RabbitMqServer rabbitMq, MySqlServer mySql, ChaosOptions options, ChaosLog log)
    {
        (_redis, _rabbitMq, _mySql, _log) = (redis, rabbitMq, mySql, log);
        var environment = new Dictionary<string, string>(options.Settings)
        {
            ["ConnectionStrings__redis"] = redis.ConnectionString,
            ["ConnectionStrings__rabbitmq"] = rabbitMq.ConnectionString,
            ["ConnectionStrings__mysql"] = mySql.ConnectionString,
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            // Nobody listens to the traces of a storm.
            ["OTEL_SDK_DISABLED"] = "true",
        };
        if (options.Sabotage is not null)
        {
            environment["SECKILL_SABOTAGE"] = options.Sabotage;
        }

        _workers = [.. Enumerable.Range(1, InstanceCount).Select(n => new AppInstance($"worker-{n}", "Seckill.OrderWorker", environment, log))];
        _apis = [.. Enumerable.Range(1, InstanceCount).Select(n => new AppInstance($"api-{n}", "Seckill.Api", environment, log))];
    }

    public IReadOnlyList<Uri> Apis => [.. _apis.Select(api => new Uri(api.Url))];

    public string Redis => _redis.ConnectionString;

    public string RabbitMq => _rabbitMq.ConnectionString;

    public string MySql => _mySql.ConnectionString;

    /// <summary>As the servers say themselves.</summary>
    public string Versions => string.Create(
        CultureInfo.InvariantCulture, $"Redis {_redis.Version}, RabbitMQ {_rabbitMq.Version}, MySQL {_mySql.Version}");

    /// <summary>Starts everything; returns when the tables are there and all are healthy.</summary>
    /// <exception cref="LocalServerException">A server is missing, or something did not start.</exception>
    public static async Task<ChaosSystem> StartAsync(ChaosOptions options, ChaosLog log, CancellationToken cancellationToken)
    {
        var redis = RedisServer.StartAsync(new RedisServerOptions(), cancellationToken);
        var rabbitMq = RabbitMqServer.StartAsync(new RabbitMqServerOptions(), cancellationToken);
        var mySql = MySqlServer.StartAsync(new MySqlServerOptions(), cancellationToken);
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

        var system = new ChaosSystem(await redis, await rabbitMq, await mySql, options, log);
        try
        {
            // The first worker makes the tables; nobody is killed before that is done.
            await system._workers[0].StartAsync(options.WorkerCrashAt);
            await system._workers[0].WaitUntilHealthyAsync(StartTimeoutMs, cancellationToken);
            foreach (var app in system._workers.Skip(1).Concat(system._apis))
            {
                await app.StartAsync();
            }

            await system.WaitUntilHealthyAsync(StartTimeoutMs, cancellationToken);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until both applications' instances are healthy; one that died by itself is started again.</summary>
    public async Task WaitUntilHealthyAsync(int timeoutMs, CancellationToken cancellationToken)
    {
        foreach (var app in _workers.Concat(_apis))
        {
            await app.StartIfEndedAsync();
            await app.WaitUntilHealthyAsync(timeoutMs, cancellationToken);
        }
    }

    /// <summary>SIGKILL.</summary>
    public void Kill(Component component, IReadOnlyList<int> instances)
    {
        _log.Write("chaos", $"kills {component} {string.Join(' ', instances)}");
        switch (component)
        {
            case Component.Redis:
                _redis.Kill();
                break;
            case Component.RabbitMQ:
                _rabbitMq.Kill();
                break;
            case Component.MySQL:
                _mySql.Kill();
                break;
            default:
                foreach (var instance in instances)
                {
                    Of(component)[instance].Kill();
                }

                break;
        }
    }

    /// <summary>Starts again what was killed; a server until it answers, an application until it is healthy or <paramref name="patienceMs"/> is over.</summary>
    public async Task StartAgainAsync(Component component, IReadOnlyList<int> instances, int patienceMs, CancellationToken cancellationToken)
    {
        switch (component)
        {
            case Component.Redis:
                await _redis.RestartAsync(cancellationToken);
                break;
            case Component.RabbitMQ:
                await _rabbitMq.RestartAsync(cancellationToken);
                break;
            case Component.MySQL:
                await _mySql.RestartAsync(cancellationToken);
                break;
            default:
                foreach (var instance in instances)
                {
                    await Of(component)[instance].StartAgainAsync();
                }

                foreach (var instance in instances)
                {
                    await Of(component)[instance].TryWaitUntilHealthyAsync(patienceMs, cancellationToken);
                }

                break;
        }

        _log.Write("chaos", $"{component} is back");
    }

    /// <summary>Stops the applications as SIGTERM does, so that the stores can be looked at while nobody writes.</summary>
    public async Task StopApplicationsAsync()
    {
        foreach (var app in _apis.Concat(_workers))
        {
            await app.StopAsync();
        }
    }

    /// <summary>An open connection to MySQL, not pooled.</summary>
    public async Task<MySqlConnection> OpenMySqlAsync(CancellationToken cancellationToken)
    {
        var connection = new MySqlConnection(MySql + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var app in _apis.Concat(_workers))
        {
            app.Kill();
            await app.StopAsync();
        }

        _redis.Kill();
        _rabbitMq.Kill();
        _mySql.Kill();
        await _redis.DisposeAsync();
        await _rabbitMq.DisposeAsync();
        await _mySql.DisposeAsync();
    }

    private AppInstance[] Of(Component component) => component == Component.Api ? _apis : _workers;

    private static async Task DisposeAsync<T>(Task<T> start) where T : LocalServer
    {
        await ((Task)start).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (start.IsCompletedSuccessfully)
        {
            await (await start).DisposeAsync();
        }
    }
}
