using MySqlConnector;

namespace Seckill.Bench.Chaos;

/// <summary>The system of one chaos run, two gates and two workers, with the actions of the storm.</summary>
public sealed class ChaosSystem : IAsyncDisposable
{
    /// <summary>Instances of each application.</summary>
    public const int InstanceCount = 2;

    private readonly LocalSystem _system;
    private readonly ChaosLog _log;

    private ChaosSystem(LocalSystem system, ChaosLog log) => (_system, _log) = (system, log);

    public IReadOnlyList<Uri> Apis => [.. _system.Apis.Select(api => new Uri(api.Url))];

    public string Redis => _system.RedisConnectionString;

    public string RabbitMq => _system.RabbitMqConnectionString;

    /// <summary>As reported by the servers.</summary>
    public string Versions => _system.Versions;

    /// <summary>Starts everything; returns when the tables exist and everything is healthy.</summary>
    /// <param name="options">The run's settings.</param>
    /// <param name="log">Gets what the applications print.</param>
    /// <param name="startServersAsync">Starts the servers, without applications.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="LocalServerException">A server is missing, or something did not start.</exception>
    public static async Task<ChaosSystem> StartAsync(
        ChaosOptions options, ChaosLog log, Func<LocalSystemOptions, CancellationToken, Task<LocalSystem>> startServersAsync,
        CancellationToken cancellationToken)
    {
        var settings = new Dictionary<string, string>(options.Settings)
        {
            // Nothing receives the traces of a storm.
            ["OTEL_SDK_DISABLED"] = "true",
        };
        if (options.Sabotage is not null)
        {
            settings["SECKILL_SABOTAGE"] = options.Sabotage;
        }

        var system = await startServersAsync(
            new LocalSystemOptions
            {
                // "Nothing lost" needs a Redis that writes each answer to disk: with `everysec`, a kill may lose one when a flush
                // is slow (docs/recovery.md).
                Redis = new RedisServerOptions { AppendFsyncAlways = true },
                Settings = settings,
                OnLine = log.Write,
            },
            cancellationToken);
        try
        {
            // The first worker creates the tables; nothing is killed before that.
            await system.StartWorkerAsync(cancellationToken, settings: ("SECKILL_CRASH_AT", options.WorkerCrashAt ?? ""));
            for (var i = 0; i < InstanceCount; i++)
            {
                if (i > 0)
                {
                    await system.StartWorkerAsync(cancellationToken, waitUntilHealthy: false);
                }

                await system.StartApiAsync(cancellationToken, waitUntilHealthy: false);
            }

            var chaos = new ChaosSystem(system, log);
            await chaos.WaitUntilHealthyAsync(cancellationToken);
            return chaos;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until both applications' instances are healthy; one that died by itself is started again.</summary>
    public async Task WaitUntilHealthyAsync(CancellationToken cancellationToken)
    {
        foreach (var app in _system.Workers.Concat(_system.Apis))
        {
            if (app.Exited.IsCompleted)
            {
                await StartAgainAsync(app, cancellationToken);
            }

            await _system.WaitUntilHealthyAsync(app, cancellationToken);
        }
    }

    /// <summary>SIGKILL.</summary>
    public void Kill(Component component, IReadOnlyList<int> instances)
    {
        _log.Write("chaos", $"kills {component} {string.Join(' ', instances)}");
        if (ServerOf(component) is { } server)
        {
            server.Kill();
            return;
        }

        foreach (var instance in instances)
        {
            InstancesOf(component)[instance].Kill();
        }
    }

    /// <summary>SIGSTOP.</summary>
    public void Pause(Component component, IReadOnlyList<int> instances)
    {
        _log.Write("chaos", $"freezes {component} {string.Join(' ', instances)}");
        ServerOf(component)?.Pause();
        foreach (var app in AppsOf(component, instances))
        {
            app.Pause();
        }
    }

    /// <summary>SIGCONT.</summary>
    public void Continue(Component component, IReadOnlyList<int> instances)
    {
        ServerOf(component)?.Continue();
        foreach (var app in AppsOf(component, instances))
        {
            app.Continue();
        }

        _log.Write("chaos", $"{component} goes on");
    }

    /// <summary>
    /// Restarts a killed process and waits: for a server until it answers, for an application until it is healthy or
    /// <paramref name="patienceMs"/> is over.
    /// </summary>
    public async Task StartAgainAsync(
        Component component, IReadOnlyList<int> instances, int patienceMs, CancellationToken cancellationToken)
    {
        if (ServerOf(component) is { } server)
        {
            await server.RestartAsync(cancellationToken);
        }
        else
        {
            foreach (var instance in instances)
            {
                await StartAgainAsync(InstancesOf(component)[instance], cancellationToken);
            }

            foreach (var instance in instances)
            {
                await TryWaitUntilHealthyAsync(InstancesOf(component)[instance], patienceMs, cancellationToken);
            }
        }

        _log.Write("chaos", $"{component} is back");
    }

    /// <summary>Stops the applications with SIGTERM, so that the stores can be read while nothing writes.</summary>
    public Task StopApplicationsAsync() => _system.StopApplicationsAsync();

    /// <summary>An open connection to MySQL, not pooled.</summary>
    public Task<MySqlConnection> OpenMySqlAsync(CancellationToken cancellationToken) => _system.OpenMySqlAsync(cancellationToken);

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    /// <summary>A crash point applies to the first start only.</summary>
    private Task StartAgainAsync(LocalService app, CancellationToken cancellationToken) =>
        _system.RestartAsync(app, cancellationToken, ("SECKILL_CRASH_AT", ""));

    /// <summary>Waits with a limit, because its servers may be down.</summary>
    private async Task TryWaitUntilHealthyAsync(LocalService app, int patienceMs, CancellationToken cancellationToken)
    {
        try
        {
            await app.WaitUntilHealthyAsync(patienceMs, cancellationToken);
        }
        catch (LocalServerException impatience)
        {
            _log.Write("chaos", impatience.Message);
        }
    }

    private LocalServer? ServerOf(Component component) => component switch
    {
        Component.Redis => _system.Redis,
        Component.RabbitMQ => _system.RabbitMq,
        Component.MySQL => _system.MySql,
        _ => null,
    };

    /// <summary>Null for a server.</summary>
    private IEnumerable<LocalService> AppsOf(Component component, IReadOnlyList<int> instances) =>
        ServerOf(component) is null ? instances.Select(instance => InstancesOf(component)[instance]) : [];

    private IReadOnlyList<LocalService> InstancesOf(Component component) => component == Component.Api ? _system.Apis : _system.Workers;
}
