using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>Section <c>Draining</c>.</summary>
internal sealed class DrainingOptions
{
    public const string Section = "Draining";

    /// <summary>
    /// How long an Api that was told to stop goes on serving while <c>/health</c> already says no, ms. It should be longer than a load
    /// balancer takes to notice. The stop itself keeps its own 30 s, so the orchestrator's patience must be at least both together; the
    /// defaults of Kubernetes (30 s) and Docker (10 s) are shorter. 0 stops at once.
    /// </summary>
    [Range(0, 60_000)]
    public int ServeForMs { get; init; } = 5_000;
}

/// <summary>
/// Keeps the server open for a while after the stop has been announced, so that a load balancer removes the process before it refuses
/// connections.
/// </summary>
internal sealed partial class ConnectionDraining(IOptions<DrainingOptions> options, TimeProvider time, ILogger<ConnectionDraining> logger)
    : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Runs before any hosted service is stopped, Kestrel included.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        var serveForMs = options.Value.ServeForMs;
        if (serveForMs > 0)
        {
            LogDraining(serveForMs);
            await Task.Delay(TimeSpan.FromMilliseconds(serveForMs), time, cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(Level = LogLevel.Information, Message = "Stopping: no longer ready, serving for another {ServeForMs} ms")]
    private partial void LogDraining(int serveForMs);
}
