using Microsoft.Extensions.Hosting;

namespace Seckill.AppHost.Running;

/// <summary>
/// Stops the applications before Aspire ends everything at once, so that the servers and the dashboard are still up for their last orders
/// and spans.
/// </summary>
internal sealed class ServicesStop(RunParts parts, ResourceCommandService commands, ResourceNotificationService notifications)
    : IHostedService
{
    private const int StopTimeoutMs = 5_000;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StopTimeoutMs);
        try
        {
            await Task.WhenAll(parts.Services.Select(service => StopAsync(service, patience.Token)));
        }
        catch (OperationCanceledException)
        {
            Terminal.Say($"not all applications have stopped within {StopTimeoutMs} ms; ending them");
        }
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
        // By resource and not by name: a name stands for no instance if there are several.
        var stop = await commands.ExecuteCommandAsync(service, KnownResourceCommands.StopCommand, patience);
        try
        {
            await WaitUntilEndedAsync(notifications, service, patience);
        }
        catch (OperationCanceledException) when (!stop.Success && !stop.Canceled)
        {
            // A resource that is not running refuses the command, which is fine; here one was still running.
            Terminal.Say($"{service.Name} could not be told to stop: {stop.Message}");
            throw;
        }
    }
}
