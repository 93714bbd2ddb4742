using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>
/// Exports what is left when everything else has stopped, traces, metrics and logs at once. Otherwise the providers do it one after the
/// other when they are disposed, each with a bound of its own, and a slow collector could hold a stop for three times as long.
/// </summary>
internal sealed class TelemetryStop(IServiceProvider services) : IHostedLifecycleService
{
    private const int ExportTimeoutMs = 2_500;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Each call blocks, and each provider ignores a second one.
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.WhenAll(
        Task.Run(() => services.GetService<TracerProvider>()?.Shutdown(ExportTimeoutMs), CancellationToken.None),
        Task.Run(() => services.GetService<MeterProvider>()?.Shutdown(ExportTimeoutMs), CancellationToken.None),
        Task.Run(() => services.GetService<LoggerProvider>()?.Shutdown(ExportTimeoutMs), CancellationToken.None));
}
