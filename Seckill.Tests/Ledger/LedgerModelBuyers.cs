using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

/// <content>Buyers' units, and their restoration by a load.</content>
internal sealed partial class LedgerModel
{
    /// <summary>The token that MySQL had before stock was added last.</summary>
    private long? _raisedFrom;

    /// <summary>MySQL's epoch when buyers were last restored in Redis; null for never.</summary>
    private long? _restoredUpTo;

    /// <summary>Whether Redis has lost nothing and its counter merely predates an addition of stock: no buyer needs restoring.</summary>
    public bool IsOutdated => Counter is not null && !Closed && Token == _raisedFrom;

    /// <summary>Units that a buyer has or may get, according to Redis.</summary>
    public long HadBy(int user) => Orders.Where(o => o.User == user && o.CountsForBuyer).Sum(o => (long)o.Quantity);

    /// <summary>Units that a buyer has according to MySQL.</summary>
    public long BoughtBy(int user) => Orders.Where(o => o.User == user && o.StockDeducted).Sum(o => (long)o.Quantity);

    /// <summary>The buyers' units according to MySQL, restored before a load where Redis has lost them.</summary>
    public IEnumerable<BuyerHolding> HoldingsInMySql => Orders.Where(o => o.StockDeducted).GroupBy(o => o.User)
        .Select(orders => new BuyerHolding(orders.Key, orders.Sum(o => (long)o.Quantity), orders.Max(o => o.Id), []));

    /// <summary>The same, plus Redis's reservations without an order in MySQL.</summary>
    public IEnumerable<BuyerHolding> Holdings => Orders.Where(Counts).GroupBy(o => o.User).Select(orders => new BuyerHolding(
        orders.Key, orders.Where(o => o.StockDeducted).Sum(o => (long)o.Quantity),
        orders.Where(o => o.StockDeducted).Select(o => o.Id).DefaultIfEmpty().Max(),
        [.. orders.Where(o => !o.StockDeducted).Select(o => o.Id)]));

    /// <summary>Restores the buyers' units before a load.</summary>
    public void Restore()
    {
        _restoredUpTo = MySqlEpoch;
        foreach (var orders in Orders.GroupBy(o => o.User).Where(orders => orders.Any(Counts)).ToArray())
        {
            LastOrder[orders.Key] = Math.Max(LastOrder.GetValueOrDefault(orders.Key), orders.Where(Counts).Max(o => o.Id));
            foreach (var order in orders)
            {
                order.CountsForBuyer = Counts(order);
            }
        }
    }

    /// <summary>
    /// Whether an order without a record in Redis was committed after the last restore of buyers. While there is no
    /// counter, a restore is still to come. A load that died leaves MySQL's epoch unchanged, but the next load restores the buyers again.
    /// </summary>
    private bool IsNewToBuyer(Order order) => Counter is not null && order.Verdict!.Value.CommittedEpoch > _restoredUpTo;

    /// <summary>The units that the purchase limit counts: live orders, and unsettled reservations in Redis.</summary>
    private static bool Counts(Order order) => order.StockDeducted || (order.KnownToRedis && !order.SettledInRedis);
}
