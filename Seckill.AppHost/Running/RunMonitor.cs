using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Seckill.AppHost.Servers;
using Seckill.AppHost.Settings;
using Seckill.LocalServers;

namespace Seckill.AppHost.Running;

/// <summary>
/// Prints the essentials of the dashboard to the terminal: the addresses once everything is healthy, and ended resources. A resource that
/// ends before everything is healthy ends the run, because its dependants would wait for ever; later the dashboard can restart it.
/// </summary>
internal sealed partial class RunMonitor(
    RunParts parts, LocalOptions options, IConfiguration configuration, ResourceNotificationService notifications,
    ResourceLoggerService logs, IHostApplicationLifetime lifetime) : BackgroundService
{
    private const int LogTailLines = 20;
    private const int LogTailWaitMs = 2_000;
    private const int SlowStartMs = 120_000;

    private readonly ResourceStates _states = new(parts);
    private readonly HashSet<int> _served = [];
    private Checkout? _checkout;

    /// <summary>Takes the checkout's lock; call it before the AppHost starts anything.</summary>
    /// <exception cref="LocalServerException">Another AppHost runs in this checkout.</exception>
    public void TakeCheckout()
    {
        _checkout = Checkout.Open(options.Folder);
        // The addresses are invalid as soon as a stop begins.
        lifetime.ApplicationStopping.Register(_checkout.Withdraw);
        foreach (var moved in options.MovedPorts)
        {
            Terminal.Say(moved);
        }

        Terminal.Say($"starting {string.Join(", ", parts.Servers.Keys.Concat(parts.Services.Select(service => service.Name)))}");
    }

    /// <summary>Ends processes that survived the stop; call it last.</summary>
    public void EndOrphans()
    {
        foreach (var orphan in _served.Where(ServingProcess.Kill))
        {
            Terminal.Say($"process {orphan} was orphaned and has been killed");
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _checkout?.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The host stops this service late; its messages are wanted only until the stop begins.
        using var running = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
        try
        {
            await WatchAsync(running.Token);
        }
        catch (OperationCanceledException) when (running.IsCancellationRequested)
        {
            Terminal.Say("stopping");
        }
    }

    private async Task WatchAsync(CancellationToken stop)
    {
        using var slow = CancellationTokenSource.CreateLinkedTokenSource(stop);
        _ = SayWhenSlowAsync(slow.Token);
        var isUp = false;
        var published = "";
        await foreach (var notification in notifications.WatchAsync(stop))
        {
            if (!parts.IsWatched(notification.Resource))
            {
                continue;
            }

            if (!isUp && _states.BecomesHealthy(notification))
            {
                Terminal.Say($"{notification.Resource.Name} is healthy");
            }

            var hasEnded = _states.Take(notification);
            if (hasEnded)
            {
                await SayEndedAsync(notification, isUp, stop);
            }

            if (hasEnded && !isUp)
            {
                Environment.ExitCode = 1;
                lifetime.StopApplication();
                return;
            }

            if (!isUp && _states.AllHealthy)
            {
                isUp = true;
                await slow.CancelAsync();
                published = await PublishAsync(published, stop);
                await SayAddressesAsync(stop);
            }
            else if (isUp)
            {
                // A restart changes the process id.
                published = await PublishAsync(published, stop);
            }
        }
    }

    private async Task SayWhenSlowAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(SlowStartMs, cancellationToken);
            Terminal.Say($"still starting after {SlowStartMs / 1_000} s: {_states.Missing()}");
        }
        catch (OperationCanceledException)
        {
            // Everything is up, or a stop has begun.
        }
    }

    /// <summary>Prints one line and the end of the log.</summary>
    private async Task SayEndedAsync(ResourceEvent notification, bool isUp, CancellationToken stop)
    {
        var name = notification.Resource.Name;
        var how = notification.Snapshot.ExitCode is { } exitCode ? $"ended with exit code {exitCode}" : "could not be started";
        Terminal.Say($"{name} {how}; {(isUp ? "the dashboard has its log and can start it again" : "stopping everything")}");
        if (isUp)
        {
            return;
        }

        if (notification.Resource is LocalServerResource { Started: { IsFaulted: true } started })
        {
            // This message already includes the end of the server's log.
            Terminal.Say(started.Exception!.InnerException!.Message);
            return;
        }

        foreach (var line in await LogTailAsync(notification.ResourceId, stop))
        {
            Terminal.Say($"  {ColourCodes().Replace(line, "")}");
        }
    }

    private async Task<IReadOnlyList<string>> LogTailAsync(string resourceId, CancellationToken stop)
    {
        var tail = new Queue<string>();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(LogTailWaitMs);
        try
        {
            await foreach (var lines in logs.GetAllAsync(resourceId).WithCancellation(patience.Token))
            {
                foreach (var line in lines)
                {
                    tail.Enqueue(line.Content);
                    if (tail.Count > LogTailLines)
                    {
                        tail.Dequeue();
                    }
                }
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            // The lines read so far must suffice.
        }

        return [.. tail];
    }

    private async Task<string> PublishAsync(string published, CancellationToken stop)
    {
        var servers = await LocalServersAsync();
        var addresses = new JsonObject
        {
            ["api"] = UrlOf(parts.Api),
            ["console"] = UrlOf(parts.Console),
            ["orderWorker"] = UrlOf(parts.OrderWorker),
            ["dashboard"] = configuration.DashboardLoginUrl(),
            ["connectionStrings"] = await ConnectionStringsAsync(stop),
            // The load generator signs the tokens of its thousands of buyers itself.
            ["signingKey"] = await parts.SigningKey.GetValueAsync(stop),
            ["versions"] = Text(servers, server => server.Version),
            ["processes"] = JsonSerializer.SerializeToNode(_states.Processes),
            ["logs"] = Text(servers, server => server.LogFile),
        };
        var text = addresses.ToJsonString();
        if (text != published)
        {
            _served.UnionWith(_states.Processes.Where(process => process.Key != ResourceStates.AppHost).Select(process => process.Value));
            _checkout!.Publish(addresses);
        }

        return text;
    }

    private async Task SayAddressesAsync(CancellationToken stop)
    {
        Terminal.Say("everything is healthy:");
        Terminal.Say($"  buyer's page   {UrlOf(parts.Api)}   (API reference: {UrlOf(parts.Api)}/docs)");
        Terminal.Say($"  console        {UrlOf(parts.Console)}   (for operators)");
        Terminal.Say($"  dashboard      {configuration.DashboardLoginUrl() ?? "none"}   (traces, logs, metrics)");
        foreach (var server in await LocalServersAsync())
        {
            Terminal.Say($"  {server.Name,-14} 127.0.0.1:{server.Port}   ({server.Version}, as {server.Account}, log {server.LogFile})");
        }

        Terminal.Say($"addresses and passwords are in {_checkout!.AddressFile}; stop with Ctrl-C");
        stop.ThrowIfCancellationRequested();
    }

    private async Task<JsonObject> ConnectionStringsAsync(CancellationToken stop)
    {
        var strings = new JsonObject();
        foreach (var (name, server) in parts.Servers)
        {
            strings[name] = await server.GetConnectionStringAsync(stop);
        }

        return strings;
    }

    private async Task<IReadOnlyList<LocalServer>> LocalServersAsync() =>
        await Task.WhenAll(parts.Servers.Values.OfType<LocalServerResource>().Select(server => server.Started));

    private static JsonObject Text(IEnumerable<LocalServer> servers, Func<LocalServer, string> read) =>
        new(servers.Select(server => KeyValuePair.Create<string, JsonNode?>(server.Name, read(server))));

    private static string UrlOf(ProjectResource service) => service.GetEndpoint("http").Url;

    [GeneratedRegex("\\e\\[[0-9;]*m")]
    private static partial Regex ColourCodes();
}
