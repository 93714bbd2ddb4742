using Seckill.Ordering.Ledger;
using Seckill.OrderWorker.Batches;
using StackExchange.Redis;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// Finds the offer of a click whose message does not carry it: an instance from before offers existed omits it when it publishes a newer
/// instance's order again, but the reservation still has it. Without an answer in time the order is charged the current price.
/// </summary>
internal sealed partial class OfferRecall(StockLedger ledger, ILogger<OfferRecall> logger)
{
    private const int AnswerWithinMs = 1_000;

    /// <summary>Queries only orders from a gate; the messages of newer instances carry the offer.</summary>
    public async Task RunAsync(OrderBatch batch, CancellationToken processing)
    {
        var untold = batch.Orders.FindAll(order => order is { FromGate: true, Message.Offer: null });
        if (untold.Count == 0)
        {
            return;
        }

        try
        {
            var bySku = untold.GroupBy(order => order.Message.SkuId).ToList();
            // A late answer changes nothing: the batch is being written by then.
            var found = await Task.WhenAll(bySku.Select(orders => FindAsync(orders, processing)))
                .WaitAsync(TimeSpan.FromMilliseconds(AnswerWithinMs), processing);
            foreach (var (order, reservation) in bySku.Zip(found).SelectMany(sku => sku.First.Zip(sku.Second)))
            {
                if (reservation?.Offer is { } offer && reservation.UserId == order.Message.UserId)
                {
                    order.Message = order.Message with { Offer = offer };
                }
            }
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            LogNotAsked(untold.Count, exception.Message);
        }
    }

    private Task<Reservation?[]> FindAsync(IGrouping<long, OrderInHand> orders, CancellationToken processing) =>
        ledger.FindAsync(new SkuKeys(orders.Key), [.. orders.Select(order => order.OrderId)], processing);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Redis did not return the offers of {OrderCount} clicks; they are charged the SKUs' current prices: {Reason}")]
    private partial void LogNotAsked(int orderCount, string reason);
}
