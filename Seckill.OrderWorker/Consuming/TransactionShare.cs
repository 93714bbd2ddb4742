using Microsoft.Extensions.Options;
using Seckill.Ordering.Contract;

namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// This worker's share of <see cref="WorkerOptions.TransactionsMax"/>: all workers on the queue together run as many transactions at once
/// as a single one would, but each runs at least one. The broker reports the number of workers; while it does not answer, its last answer
/// counts.
/// </summary>
internal sealed partial class TransactionShare(
    QueueDepths queues, IOptions<WorkerOptions> options, TimeProvider time, ILogger<TransactionShare> logger) : BackgroundService
{
    private const int AskEveryMs = 2_000;

    private int _workers = 1;

    /// <summary>Concurrent MySQL transactions of this worker, 1 to <see cref="WorkerOptions.TransactionsMax"/>.</summary>
    public int Transactions => Math.Max(1, options.Value.TransactionsMax / Volatile.Read(ref _workers));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                Volatile.Write(ref _workers, (int)Math.Max(1, (await queues.ReadAsync(stoppingToken)).Workers));
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogUnknown(exception.Message);
            }
            catch (Exception)
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(AskEveryMs), time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The number of workers is not known: {Reason}")]
    private partial void LogUnknown(string reason);
}
