using Seckill.Ordering.Holding;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Tells the Api instances every second how long this worker has held its oldest message, so that they do not treat its orders as lost.
/// </summary>
internal sealed partial class HoldingReport(
    HeldMessages held, WorkerHealth health, TimeProvider time, ILogger<HoldingReport> logger) : BackgroundService
{
    private readonly string _worker = $"{Environment.MachineName}-{Environment.ProcessId}-{Guid.NewGuid():N}";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await held.ReportAsync(_worker, health.OldestHeldAge, stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogUntold(exception.Message);
            }
            catch (Exception)
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(HeldMessages.ReportEveryMs), time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "This worker's report of held messages did not reach Redis: {Reason}")]
    private partial void LogUntold(string reason);
}
