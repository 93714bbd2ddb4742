using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>
/// Starts the local servers of a run, shows their state in the dashboard, and stops them after everything else. The kernel kills them when
/// this process is killed.
/// </summary>
internal sealed partial class LocalServerProcesses(ResourceNotificationService notifications) : IHostedService, IAsyncDisposable
{
    private const int LogIntervalMs = 250;

    private readonly ConcurrentDictionary<LocalServerResource, Task> _runs = [];
    private readonly ConcurrentDictionary<LocalServerResource, SemaphoreSlim> _boots = [];
    private readonly CancellationTokenSource _stop = new();

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Starts the server and follows it until the AppHost stops.</summary>
    public Task RunAsync(LocalServerResource resource, InitializeResourceEvent context)
    {
        _runs[resource] = StartAndFollowAsync(resource, context, _stop.Token);
        return Task.CompletedTask;
    }

    /// <exception cref="LocalServerException">It did not come back; the resource is shown as failed.</exception>
    public async Task RestartAsync(LocalServerResource resource, CancellationToken cancellationToken)
    {
        var server = await resource.Started.WaitAsync(cancellationToken);
        await ShowAsync(resource, KnownResourceStates.Starting);
        try
        {
            await server.RestartAsync(cancellationToken);
            _boots[resource].Release();
        }
        catch (LocalServerException)
        {
            await ShowAsync(resource, KnownResourceStates.FailedToStart);
            throw;
        }
    }

    public async Task StopAsync(LocalServerResource resource, CancellationToken cancellationToken)
    {
        var server = await resource.Started.WaitAsync(cancellationToken);
        await ShowAsync(resource, KnownResourceStates.Stopping);
        await server.StopAsync(cancellationToken);
    }

    /// <summary>Stops all servers in parallel; each stop is orderly and has its own time limit.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_runs.Values);
        await Task.WhenAll(_runs.Keys.Where(resource => resource.Started.IsCompletedSuccessfully)
            .Select(async resource => await (await resource.Started).DisposeAsync()));
        _runs.Clear();
    }

    // A host that is told to stop while it starts stops none of its services, so this stops the servers.
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None);

    private async Task StartAndFollowAsync(LocalServerResource resource, InitializeResourceEvent context, CancellationToken stop)
    {
        var boots = _boots[resource] = new SemaphoreSlim(0);
        try
        {
            await context.Eventing.PublishAsync(new BeforeResourceStartedEvent(resource, context.Services), stop);
            await ShowAsync(resource, KnownResourceStates.Starting);
            var server = await resource.StartAsync(stop);
            await context.Eventing.PublishAsync(new ConnectionStringAvailableEvent(resource, context.Services), stop);
            using var log = new StreamReader(
                new FileStream(server.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            while (true)
            {
                var exited = server.Exited;
                await ShowRunningAsync(resource, server);
                await FollowAsync(log, exited, context.Logger, stop);
                var exitCode = await exited;
                await notifications.PublishUpdateAsync(resource, state => state with
                {
                    State = KnownResourceStates.Exited,
                    ExitCode = exitCode,
                    StopTimeStamp = DateTime.UtcNow,
                });
                await boots.WaitAsync(stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A requested stop is not a failure.
        }
        catch (Exception failure)
        {
            LogFailure(context.Logger, failure.Message);
            await ShowAsync(resource, KnownResourceStates.FailedToStart);
        }
    }

    private Task ShowAsync(LocalServerResource resource, string state) =>
        notifications.PublishUpdateAsync(resource, snapshot => snapshot with { State = state });

    private Task ShowRunningAsync(LocalServerResource resource, LocalServer server) =>
        notifications.PublishUpdateAsync(resource, state => state with
        {
            State = KnownResourceStates.Running,
            StartTimeStamp = DateTime.UtcNow,
            StopTimeStamp = null,
            ExitCode = null,
            Urls = [new UrlSnapshot("tcp", $"tcp://127.0.0.1:{server.Port}", IsInternal: false)],
            Properties = ImmutableArray.Create<ResourcePropertySnapshot>(
                new(CustomResourceKnownProperties.Source, $"{resource.Name} {server.Version}"), new("server.pid", server.ProcessId)),
        });

    /// <summary>Copies the server's output to the resource's log, until the process has ended and everything is read.</summary>
    private static async Task FollowAsync(StreamReader log, Task exited, ILogger logger, CancellationToken stop)
    {
        while (true)
        {
            var isLast = exited.IsCompleted;
            while (await log.ReadLineAsync(stop) is { } line)
            {
                LogLine(logger, line);
            }

            if (isLast)
            {
                return;
            }

            await Task.Delay(LogIntervalMs, stop);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Line}")]
    private static partial void LogLine(ILogger logger, string line);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Failure}")]
    private static partial void LogFailure(ILogger logger, string failure);
}
