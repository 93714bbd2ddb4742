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
            await Task.WhenAll(parts.Services.Select(service => StopAsync(service.Name, patience.Token)));
        }
        catch (OperationCanceledException)
        {
            Terminal.Say($"not all applications have stopped within {StopTimeoutMs} ms; ending them");
        }
    }

    private async Task StopAsync(string service, CancellationToken patience)
    {
        // A resource that is not running refuses the command, which is fine.
        await commands.ExecuteCommandAsync(service, KnownResourceCommands.StopCommand, patience);
        await notifications.WaitForResourceAsync(service, KnownResourceStates.TerminalStates, patience);
    }
}
