using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OpenTelemetry;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>
/// Runs each health check separately in the background, once a second, and answers every probe with the last results. Thus a hung server
/// delays no probe, a probe that disconnects deprives no other of its answer, and a flood of probes costs the servers nothing.
/// </summary>
internal sealed class HealthMonitor(
    IServiceScopeFactory scopes, IOptions<HealthCheckServiceOptions> options, IHostApplicationLifetime lifetime, TimeProvider time)
    : HealthCheckService, IHostedService, IDisposable
{
    /// <summary>The entry that makes a stopping process unready while it still serves.</summary>
    public const string StoppingEntry = "stopping";

    /// <summary>From the start of a check to the start of the next one, ms.</summary>
    public const int CheckEveryMs = 1_000;

    /// <summary>Upper bound of one check that sets none of its own, ms.</summary>
    public const int CheckTimeoutMs = 2_000;

    private readonly ConcurrentDictionary<string, HealthReportEntry> _entries = new();
    private readonly CancellationTokenSource _stopping = new();
    private Task _watching = Task.CompletedTask;

    /// <summary>
    /// The last results of the checks that <paramref name="predicate"/> selects; it never waits for a server. Without a predicate they say
    /// whether the process is ready; a stopping one is not.
    /// </summary>
    public override Task<HealthReport> CheckHealthAsync(
        Func<HealthCheckRegistration, bool>? predicate, CancellationToken cancellationToken = default)
    {
        var found = options.Value.Registrations.Where(registration => predicate?.Invoke(registration) ?? true)
            .ToDictionary(registration => registration.Name, EntryOf);
        if (predicate is null && lifetime.ApplicationStopping.IsCancellationRequested)
        {
            found[StoppingEntry] = new HealthReportEntry(HealthStatus.Unhealthy, "the process is stopping", TimeSpan.Zero, null, null);
        }

        return Task.FromResult(new HealthReport(found, TimeSpan.Zero));
    }

    /// <summary>Liveness checks query no server, and have their first result at once.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var registrations = options.Value.Registrations;
        foreach (var registration in registrations.Where(registration => registration.Tags.Contains(HealthEndpoints.LiveTag)))
        {
            await (await CheckAsync(registration)).WaitAsync(cancellationToken);
        }

        _watching = Task.WhenAll(registrations.Select(registration => Task.Run(() => WatchAsync(registration), CancellationToken.None)));
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _watching.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Ends the checks but keeps the source: a host may be stopped after it was disposed, and without a timer there is nothing to free.
    /// </summary>
    public void Dispose() => _stopping.Cancel();

    private HealthReportEntry EntryOf(HealthCheckRegistration registration) => _entries.TryGetValue(registration.Name, out var entry)
        ? entry
        : new HealthReportEntry(registration.FailureStatus, "not checked yet", TimeSpan.Zero, null, null, registration.Tags);

    private async Task WatchAsync(HealthCheckRegistration registration)
    {
        while (!_stopping.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            var end = await CheckAsync(registration);

            // A check that ignores its cancellation must not pile up behind a hung server.
            await end.WaitAsync(_stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var rest = TimeSpan.FromMilliseconds(CheckEveryMs) - time.GetElapsedTime(started);
            if (rest > TimeSpan.Zero)
            {
                await Task.Delay(rest, time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Records the result of one check within its time limit; returns its actual end, which may be later.</summary>
    private async Task<Task> CheckAsync(HealthCheckRegistration registration)
    {
        var started = time.GetTimestamp();
        var timeout = registration.Timeout == Timeout.InfiniteTimeSpan ? TimeSpan.FromMilliseconds(CheckTimeoutMs) : registration.Timeout;
        var check = RunAsync(registration, timeout);
        HealthCheckResult result;
        try
        {
            result = await check.WaitAsync(timeout, time, _stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return Task.CompletedTask;
        }
        catch (Exception exception)
        {
            result = new HealthCheckResult(
                registration.FailureStatus,
                exception is TimeoutException or OperationCanceledException
                    ? $"no answer within {timeout.TotalMilliseconds:F0} ms"
                    : exception.Message,
                exception);
        }

        _entries[registration.Name] = new HealthReportEntry(
            result.Status, result.Description, time.GetElapsedTime(started), result.Exception, result.Data, registration.Tags);
        return check;
    }

    private async Task<HealthCheckResult> RunAsync(HealthCheckRegistration registration, TimeSpan timeout)
    {
        // The checks' calls must not become part of an order's trace.
        using var untraced = SuppressInstrumentationScope.Begin();
        await using var scope = scopes.CreateAsyncScope();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        enough.CancelAfter(timeout);
        var check = registration.Factory(scope.ServiceProvider);
        return await check.CheckHealthAsync(new HealthCheckContext { Registration = registration }, enough.Token);
    }
}
