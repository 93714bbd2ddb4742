using System.Globalization;
using Microsoft.Extensions.Hosting;

namespace Seckill.AppHost.Running;

/// <summary>
/// Stops the applications before Aspire ends everything at once, so that the servers and the dashboard are still up for their last orders
/// and spans. An application that hangs is killed: Aspire would wait for it once more.
/// </summary>
internal sealed class ServicesStop(RunParts parts, ResourceCommandService commands, ResourceNotificationService notifications)
    : IHostedService
{
    private const int StopTimeoutMs = 5_000;

    /// <summary>How long a command may take to notice that it is no longer wanted.</summary>
    private const int CommandEndTimeoutMs = 500;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StopTimeoutMs);
        await Task.WhenAll(parts.Services.Select(service => StopAsync(service, patience.Token)));
    }

    /// <summary>Returns when every instance of the service has ended.</summary>
    /// <param name="notifications">The instances' states.</param>
    /// <param name="service">The service.</param>
    /// <param name="running">Gets the instances that have not ended, by id.</param>
    /// <param name="patience">Ends the wait.</param>
    internal static Task WaitUntilEndedAsync(
        ResourceNotificationService notifications, ProjectResource service, Dictionary<string, CustomResourceSnapshot> running,
        CancellationToken patience)
    {
        var ended = new HashSet<string>(StringComparer.Ordinal);
        return notifications.WaitForResourceAsync(service.Name, latest =>
        {
            if (latest.Snapshot.State?.Text is { } state && KnownResourceStates.TerminalStates.Contains(state))
            {
                ended.Add(latest.ResourceId);
                running.Remove(latest.ResourceId);
            }
            else
            {
                ended.Remove(latest.ResourceId);
                running[latest.ResourceId] = latest.Snapshot;
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
        var running = new Dictionary<string, CustomResourceSnapshot>(StringComparer.Ordinal);
        try
        {
            await WaitUntilEndedAsync(notifications, service, running, patience);
        }
        catch (OperationCanceledException)
        {
            // A resource that is not running refuses the command, which is fine; here one was still running.
            Terminal.Say(stop is { IsCompletedSuccessfully: true, Result: { Success: false, Canceled: false } refused }
                ? $"{service.Name} could not be told to stop: {refused.Message}"
                : $"{service.Name} has not stopped within {StopTimeoutMs} ms");
            foreach (var processId in running.Values.Select(ResourceStates.ProcessId).OfType<int>().Where(ServingProcess.Kill))
            {
                Terminal.Say(string.Create(CultureInfo.InvariantCulture, $"{service.Name}: process {processId} has been killed"));
            }
        }

        await told.CancelAsync();
        await ((Task)stop).WaitAsync(TimeSpan.FromMilliseconds(CommandEndTimeoutMs), CancellationToken.None)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
