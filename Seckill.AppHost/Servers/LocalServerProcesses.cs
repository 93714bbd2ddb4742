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

    private readonly ConcurrentDictionary<LocalServerResource, LocalServerRun> _runs = [];
    private readonly CancellationTokenSource _stop = new();

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Starts the server and follows it until the AppHost stops.</summary>
    public Task RunAsync(LocalServerResource resource, InitializeResourceEvent context)
    {
        var run = new LocalServerRun();
        run.Followed = StartAndFollowAsync(resource, run, context, _stop.Token);
        _runs[resource] = run;
        return Task.CompletedTask;
    }

    /// <exception cref="LocalServerException">It did not come back; the resource is shown as failed.</exception>
    public Task RestartAsync(LocalServerResource resource, CancellationToken cancellationToken) =>
        InTurnAsync(resource, async (run, server, ended) =>
        {
            await ShowAsync(resource, KnownResourceStates.Starting);
            try
            {
                await server.StopAsync(cancellationToken);
                await server.RestartAsync(ended);
                run.Announce(server);
            }
            catch
            {
                await ShowAsync(resource, KnownResourceStates.FailedToStart);
                throw;
            }
        }, cancellationToken);

    public Task StopAsync(LocalServerResource resource, CancellationToken cancellationToken) =>
        InTurnAsync(resource, async (_, server, _) =>
        {
            // Only the end of a process changes this state again.
            if (server.Runs)
            {
                await ShowAsync(resource, KnownResourceStates.Stopping);
            }

            await server.StopAsync(cancellationToken);
        }, cancellationToken);

    /// <summary>Stops all servers in parallel; each stop is orderly and has its own time limit.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_runs.Select(run => EndAsync(run.Key, run.Value)));
        _runs.Clear();
    }

    // A host that is told to stop while it starts stops none of its services, so this stops the servers.
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None);

    /// <summary>
    /// The change gets a token that the end of the AppHost cancels as well: it must not start a process after all servers were stopped. Its
    /// stops take the caller's token, because a cancelled stop is a kill.
    /// </summary>
    private async Task InTurnAsync(
        LocalServerResource resource, Func<LocalServerRun, LocalServer, CancellationToken, Task> change,
        CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        var server = await resource.Started.WaitAsync(ended.Token);
        ended.Token.ThrowIfCancellationRequested();
        var run = _runs[resource];
        await run.InTurnAsync(() => change(run, server, ended.Token), ended.Token);
    }

    private static async Task EndAsync(LocalServerResource resource, LocalServerRun run)
    {
        await run.Followed;
        if (resource.Started.IsCompletedSuccessfully)
        {
            var server = await resource.Started;
            // A start that is under way has been cancelled, and a stop has a bound, so the turn comes soon.
            await run.InTurnAsync(() => server.DisposeAsync().AsTask(), CancellationToken.None);
        }

        run.Dispose();
    }

    private async Task StartAndFollowAsync(
        LocalServerResource resource, LocalServerRun run, InitializeResourceEvent context, CancellationToken stop)
    {
        try
        {
            await context.Eventing.PublishAsync(new BeforeResourceStartedEvent(resource, context.Services), stop);
            await ShowAsync(resource, KnownResourceStates.Starting);
            await run.InTurnAsync(async () => run.Announce(await resource.StartAsync(stop)), stop);
            var server = await resource.Started;
            await context.Eventing.PublishAsync(new ConnectionStringAvailableEvent(resource, context.Services), stop);
            using var log = new StreamReader(
                new FileStream(server.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            while (true)
            {
                var process = await run.NextAsync(stop);
                await ShowRunningAsync(resource, server, process.Id);
                await FollowAsync(log, process.Exited, context.Logger, stop);
                var exitCode = await process.Exited;
                await notifications.PublishUpdateAsync(resource, state => state with
                {
                    State = KnownResourceStates.Exited,
                    ExitCode = exitCode,
                    StopTimeStamp = DateTime.UtcNow,
                });
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

    private Task ShowRunningAsync(LocalServerResource resource, LocalServer server, int processId) =>
        notifications.PublishUpdateAsync(resource, state => state with
        {
            State = KnownResourceStates.Running,
            StartTimeStamp = DateTime.UtcNow,
            StopTimeStamp = null,
            ExitCode = null,
            Urls = [new UrlSnapshot("tcp", $"tcp://127.0.0.1:{server.Port}", IsInternal: false)],
            Properties = ImmutableArray.Create<ResourcePropertySnapshot>(
                new(CustomResourceKnownProperties.Source, $"{resource.Name} {server.Version}"), new("server.pid", processId)),
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
