using Microsoft.Extensions.Hosting;

namespace Seckill.AppHost.Running;

/// <summary>
/// Stops the applications before Aspire ends everything at once, so that the servers and the dashboard are still up for their last orders
/// and spans.
/// </summary>
internal sealed class ServicesStop(
    RunParts parts, ResourceCommandService commands, ResourceNotificationService notifications, RunMonitor monitor) : IHostedService
{
    private const int StopTimeoutMs = 5_000;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StopTimeoutMs);
        await Task.WhenAll(parts.Services.Select(service => StopAsync(service, patience.Token)));
    }

    /// <summary>Returns when every instance of the service has ended.</summary>
    internal static Task WaitUntilEndedAsync(
        ResourceNotificationService notifications, ProjectResource service, CancellationToken patience)
    {
        var ended = new HashSet<string>(StringComparer.Ordinal);
        return notifications.WaitForResourceAsync(service.Name, latest =>
        {
            if (latest.Snapshot.State?.Text is { } state && KnownResourceStates.TerminalStates.Contains(state))
            {
                ended.Add(latest.ResourceId);
            }
            else
            {
                ended.Remove(latest.ResourceId);
            }

            return ended.Count >= service.GetReplicaCount();
        }, patience);
    }

    private async Task StopAsync(ProjectResource service, CancellationToken patience)
    {
        using var told = CancellationTokenSource.CreateLinkedTokenSource(patience);
        // By resource and not by name: a name stands for no instance if there are several. The command returns some time after the end,
        // because it asks at growing intervals; the state is known at once.
        var stop = commands.ExecuteCommandAsync(service, KnownResourceCommands.StopCommand, told.Token);
        try
        {
            await WaitUntilEndedAsync(notifications, service, patience);
        }
        catch (OperationCanceledException)
        {
            // A resource that is not running refuses the command, which is fine; here one was still running.
            Terminal.Say(stop is { IsCompletedSuccessfully: true, Result: { Success: false, Canceled: false } refused }
                ? $"{service.Name} could not be told to stop: {refused.Message}; killing it"
                : $"{service.Name} has not stopped within {StopTimeoutMs} ms; killing it");
            monitor.EndService(service);
        }

        await told.CancelAsync();
        await ((Task)stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
