using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Seckill.Ordering.Contract;

namespace Seckill.Ordering.Telemetry;

/// <summary>The last observed condition of an instance.</summary>
/// <param name="Health">As reported by <c>/health</c>.</param>
/// <param name="Complaints">The unhealthy checks and their reasons.</param>
/// <param name="QueueReady">Messages waiting in the queue; null when the broker did not answer or was not queried.</param>
internal sealed record SeenCondition(HealthStatus Health, IReadOnlyList<string> Complaints, long? QueueReady);

/// <summary>
/// Checks the health of this instance and, in a worker, the depth of the queue; stores the last result and logs changes.
/// </summary>
internal sealed partial class InstanceCondition(
    string role, HealthCheckService health, QueueDepths queues, ILogger<InstanceCondition> logger)
{
    private const int ComplaintsMax = 16;
    private const int ComplaintLengthMax = 200;

    private SeenCondition _seen = new(HealthStatus.Degraded, ["health: not checked yet"], null);

    public SeenCondition Seen => Volatile.Read(ref _seen);

    /// <summary>Never throws; a server that hangs delays it.</summary>
    public async Task LookAsync(CancellationToken stoppingToken)
    {
        try
        {
            var depth = QueueReadyAsync(stoppingToken);
            var report = await health.CheckHealthAsync(stoppingToken);
            var complaints = report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy).Take(ComplaintsMax)
                .Select(entry => Cut($"{entry.Key}: {ReasonOf(entry.Value)}"))
                .ToList();
            if (!complaints.SequenceEqual(_seen.Complaints))
            {
                var text = string.Join("; ", complaints);
                LogHealth(report.Status, text);
            }

            Volatile.Write(ref _seen, new SeenCondition(report.Status, complaints, await depth));
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogNotLooked(exception.Message);
        }
        catch (Exception)
        {
            // Stopping.
        }
    }

    private async Task<long?> QueueReadyAsync(CancellationToken stoppingToken)
    {
        if (role != InstancePulse.Worker)
        {
            return null;
        }

        try
        {
            return (await queues.ReadAsync(stoppingToken)).Ready;
        }
        catch (Exception)
        {
            // The health checks already report a broker that does not answer.
            return null;
        }
    }

    private static string ReasonOf(HealthReportEntry entry) => entry.Description ?? entry.Exception?.Message ?? entry.Status.ToString();

    private static string Cut(string text) => text.Length <= ComplaintLengthMax ? text : text[..ComplaintLengthMax];

    [LoggerMessage(Level = LogLevel.Information, Message = "Health: {Status} {Complaints}")]
    private partial void LogHealth(HealthStatus status, string complaints);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The health of this instance is not known: {Reason}")]
    private partial void LogNotLooked(string reason);
}
