using System.Threading.Channels;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Publishing;

/// <summary>
/// Marks confirmed orders in the outbox, many in one call. A missing mark (Redis down, too many waiting, process killed) is harmless: the
/// sweeper publishes the order again, and the worker's primary key turns both into one order.
/// </summary>
public sealed partial class OutboxConfirmations(StockLedger ledger, TimeProvider time, ILogger<OutboxConfirmations> logger)
    : BackgroundService
{
    private const int WaitingMax = 50_000;
    private const int BatchSizeMax = 1_000;

    private readonly Channel<(SkuKeys Sku, long OrderId)> _waiting = Channel.CreateBounded<(SkuKeys, long)>(
        new BoundedChannelOptions(WaitingMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>The broker has confirmed this order.</summary>
    public void Add(SkuKeys sku, long orderId) => _waiting.Writer.TryWrite((sku, orderId));

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        // Drain before stopping: the publisher has stopped already, so nothing more comes in.
        _waiting.Writer.TryComplete();
        if (ExecuteTask is { } running)
        {
            await running.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await base.StopAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var batch = new Dictionary<SkuKeys, List<long>>();
        // Ends only when StopAsync completes the channel: the publisher's last confirms are still marked.
        while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            for (var taken = 0; taken < BatchSizeMax && _waiting.Reader.TryRead(out var confirmed); taken++)
            {
                if (!batch.TryGetValue(confirmed.Sku, out var orderIds))
                {
                    batch.Add(confirmed.Sku, orderIds = []);
                }

                orderIds.Add(confirmed.OrderId);
            }

            try
            {
                var now = time.GetUtcNow().ToUnixTimeMilliseconds();
                await Task.WhenAll(batch.Select(sku => ledger.ConfirmAsync(sku.Key, sku.Value, now, stoppingToken)));
                CrashPoint.Reach(CrashPoint.OutboxMarked);
            }
            catch (Exception exception)
            {
                LogFailed(exception.Message);
            }

            batch.Clear();
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "Confirmed orders stay unmarked in the outbox: {Reason}; the sweeper will repeat them")]
    private partial void LogFailed(string reason);
}
