using System.ComponentModel.DataAnnotations;
using Seckill.LocalServers;

namespace Seckill.AppHost.Local;

/// <summary>
/// Starts servers, worker, gate and console in that order, each when what it needs is healthy, and stops them in the reverse order.
/// Nothing is restarted: a resource that ends is reported and ends the whole, because a silent restart hides a fault.
/// </summary>
internal sealed class LocalAppHost(LocalOptions options, StateFolder state, ConsoleLog log) : IAsyncDisposable
{
    private static readonly string[] StartOrder = ["redis", "rabbitmq", "mysql"];

    private readonly List<LocalServer> _servers = [];
    private readonly List<LocalService> _services = [];

    /// <summary>Runs until a signal or until a resource ends.</summary>
    /// <returns>Exit code: 0 after a signal, 1 when something failed, 2 for wrong options.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        var log = new ConsoleLog();
        using var signals = new StopSignals(log);
        try
        {
            var options = LocalOptions.Read(args);
            using var state = StateFolder.Open(options.StateFolder ?? Path.Combine(Repository.Root, ".seckill"));
            await using var appHost = new LocalAppHost(options, state, log);
            try
            {
                await appHost.StartAsync(signals.Stop);
                await appHost.WatchAsync(signals.Stop);
                return 1;
            }
            catch (OperationCanceledException) when (signals.Stop.IsCancellationRequested)
            {
                return 0;
            }
        }
        catch (LocalServerException failure)
        {
            log.Say(failure.Message);
            return 1;
        }
        catch (Exception mistake) when (mistake is ValidationException or InvalidOperationException)
        {
            log.Say(mistake.Message);
            return 2;
        }
    }

    /// <summary>Stops everything in reverse order; each step is bounded and ends in a kill.</summary>
    public async ValueTask DisposeAsync()
    {
        state.Withdraw();
        foreach (var service in Enumerable.Reverse(_services))
        {
            log.Say($"stopping {service.Name}");
            await service.StopAsync(options.StopTimeoutMs, CancellationToken.None);
            service.Dispose();
        }

        foreach (var server in Enumerable.Reverse(_servers))
        {
            log.Say($"stopping {server.Name}");
            await server.DisposeAsync();
        }

        log.Say("stopped; no process is left");
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await StartServersAsync(cancellationToken);
        var connectionStrings = _servers.ToDictionary(server => server.Name, server => server.ConnectionString);
        var servers = connectionStrings.ToDictionary(connection => $"ConnectionStrings__{connection.Key}", connection => connection.Value);

        // The worker's health says "migrated", so waiting for it means that the tables exist before the gate opens.
        await StartServicesAsync(["order-worker"], "Seckill.OrderWorker", options.OrderWorkerPort, servers, cancellationToken);
        string[] replicas = [.. Enumerable.Range(1, options.ApiReplicas).Select(number => number == 1 ? "api" : $"api-{number}")];
        await StartServicesAsync(replicas, "Seckill.Api", options.ApiPort, servers, cancellationToken);
        var api = _services[^replicas.Length].Url;
        await StartServicesAsync(
            ["console"], "Seckill.Console", options.ConsolePort,
            new Dictionary<string, string> { ["ConnectionStrings__redis"] = connectionStrings["redis"], ["Api__Url"] = api },
            cancellationToken);

        var addresses = Addresses(connectionStrings);
        state.Publish(addresses);
        log.Say("everything is healthy:");
        foreach (var url in addresses.ApiReplicas)
        {
            log.Say($"  api           {url}   (the buyer's page; API reference: {url}/docs)");
        }

        log.Say($"  console       {addresses.Console}   (for operators)");
        log.Say($"  order-worker  {addresses.OrderWorker}");
        foreach (var server in _servers)
        {
            log.Say($"  {server.Name,-13} {server.ConnectionString}");
        }

        log.Say($"addresses are in {Path.Combine(state.Folder, "local.json")}; stop with Ctrl-C");
    }

    private async Task StartServersAsync(CancellationToken cancellationToken)
    {
        log.Say("starting redis, rabbitmq and mysql");
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] starts =
        [
            StartServerAsync(RedisServer.StartAsync(Configure(new RedisServerOptions(), "redis", options.RedisPort), failed.Token), failed),
            StartServerAsync(RabbitMqServer.StartAsync(Configure(new RabbitMqServerOptions(), "rabbitmq", options.RabbitMqPort), failed.Token), failed),
            StartServerAsync(MySqlServer.StartAsync(Configure(new MySqlServerOptions(), "mysql", options.MySqlPort), failed.Token), failed),
        ];
        try
        {
            await Task.WhenAll(starts);
            _servers.Sort((left, right) => Array.IndexOf(StartOrder, left.Name) - Array.IndexOf(StartOrder, right.Name));
        }
        catch when (!cancellationToken.IsCancellationRequested)
        {
            // One failed start cancels the others; the failure is the news, not the cancellations.
            var failures = starts.Where(start => start.IsFaulted).Select(start => start.Exception!.InnerException!.Message);
            throw new LocalServerException(string.Join('\n', failures));
        }
    }

    private async Task StartServerAsync<T>(Task<T> start, CancellationTokenSource failed)
        where T : LocalServer
    {
        try
        {
            var server = await start;
            lock (_servers)
            {
                _servers.Add(server);
            }

            log.Say($"{server.Name} {server.Version} is healthy (process {server.ProcessId}, log {server.LogFile})");
        }
        catch
        {
            await failed.CancelAsync();
            throw;
        }
    }

    private async Task StartServicesAsync(
        string[] names, string project, int firstPort, IReadOnlyDictionary<string, string> settings, CancellationToken cancellationToken)
    {
        var environment = new Dictionary<string, string>(settings);
        if (log.Coloured)
        {
            environment["DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION"] = "1";
        }

        foreach (var (index, name) in names.Index())
        {
            var url = $"http://127.0.0.1:{PreferredPort(name, firstPort + index)}";
            _services.Add(await LocalService.StartAsync(name, project, url, environment, line => log.Write(name, line)));
        }

        foreach (var service in _services.TakeLast(names.Length))
        {
            await service.WaitUntilHealthyAsync(options.StartTimeoutMs, cancellationToken);
            log.Say($"{service.Name} is healthy (process {service.ProcessId})");
        }
    }

    /// <summary>Returns when a resource has ended.</summary>
    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        var exits = _servers.Select(server => (server.Name, server.Exited, $"; its log: {server.LogFile}"))
            .Concat(_services.Select(service => (service.Name, service.Exited, "")))
            .ToArray();
        var ended = await Task.WhenAny(exits.Select(exit => exit.Exited)).WaitAsync(cancellationToken);
        var (name, _, hint) = exits.First(exit => exit.Exited == ended);
        log.Say($"{name} ended with exit code {await ended}; stopping everything{hint}");
    }

    private T Configure<T>(T defaults, string name, int port)
        where T : LocalServerOptions => defaults with
        {
            DataFolder = state.DataFolder(name),
            Port = PreferredPort(name, port),
            StartTimeoutMs = options.StartTimeoutMs,
            StopTimeoutMs = options.StopTimeoutMs,
        };

    private int PreferredPort(string name, int wish)
    {
        var port = LoopbackPorts.Prefer(wish);
        if (port != wish)
        {
            log.Say($"{name}: port {wish} is taken, using {port}");
        }

        return port;
    }

    private LocalAddresses Addresses(Dictionary<string, string> connectionStrings)
    {
        var apis = _services.Where(service => service.Name.StartsWith("api", StringComparison.Ordinal)).Select(service => service.Url).ToArray();
        var processes = new Dictionary<string, int> { ["apphost"] = Environment.ProcessId };
        foreach (var server in _servers)
        {
            processes[server.Name] = server.ProcessId;
        }

        foreach (var service in _services)
        {
            processes[service.Name] = service.ProcessId;
        }

        return new LocalAddresses(
            apis[0],
            apis,
            _services[^1].Url,
            _services[0].Url,
            connectionStrings,
            _servers.ToDictionary(server => server.Name, server => server.Version),
            processes,
            _servers.ToDictionary(server => server.Name, server => server.LogFile));
    }
}
