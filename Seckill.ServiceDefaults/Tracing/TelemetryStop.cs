using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>
/// Exports what is left when every hosted service has stopped, traces, metrics and logs at once. Otherwise the providers do it one after
/// the other when they are disposed, each with a bound of its own, and a slow collector could hold a stop for three times as long. What the
/// disposal itself produces is not exported.
/// </summary>
internal sealed class TelemetryStop(IServiceProvider services) : IHostedLifecycleService
{
    private const int ExportTimeoutMs = 2_500;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.WhenAll(
        OnThreadOfItsOwn(() => services.GetService<TracerProvider>()?.Shutdown(ExportTimeoutMs)),
        OnThreadOfItsOwn(() => services.GetService<MeterProvider>()?.Shutdown(ExportTimeoutMs)),
        OnThreadOfItsOwn(() => services.GetService<LoggerProvider>()?.Shutdown(ExportTimeoutMs)));

    /// <summary>These calls block until the export is done, and the export needs the pool's threads, of which there may be one.</summary>
    private static Task OnThreadOfItsOwn(Action export) =>
        Task.Factory.StartNew(export, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
