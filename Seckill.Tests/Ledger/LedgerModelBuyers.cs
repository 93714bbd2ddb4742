using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

/// <content>What buyers have, and what a load gives back to them.</content>
internal sealed partial class LedgerModel
{
    /// <summary>The token that MySQL had before stock was added last.</summary>
    private long? _raisedFrom;

    /// <summary>MySQL's epoch when Redis was given back what buyers have; null for never.</summary>
    private long? _restoredUpTo;

    /// <summary>Whether Redis has all that it had, and the counter is that from before stock was added: nobody is to be restored.</summary>
    public bool IsOutdated => Counter is not null && !Closed && Token == _raisedFrom;

    /// <summary>Units that a buyer has or may get, as far as Redis knows.</summary>
    public long HadBy(int user) => Orders.Where(o => o.User == user && o.CountsForBuyer).Sum(o => (long)o.Quantity);

    /// <summary>Units that a buyer has according to MySQL.</summary>
    public long BoughtBy(int user) => Orders.Where(o => o.User == user && o.StockDeducted).Sum(o => (long)o.Quantity);

    /// <summary>What MySQL says its buyers hold: given back to those whom Redis has forgotten, before a load.</summary>
    public IEnumerable<BuyerHolding> HoldingsInMySql => Orders.Where(o => o.StockDeducted).GroupBy(o => o.User)
        .Select(orders => new BuyerHolding(orders.Key, orders.Sum(o => (long)o.Quantity), orders.Max(o => o.Id), []));

    /// <summary>The same with what Redis knows and MySQL has no order for.</summary>
    public IEnumerable<BuyerHolding> Holdings => Orders.Where(Counts).GroupBy(o => o.User).Select(orders => new BuyerHolding(
        orders.Key, orders.Where(o => o.StockDeducted).Sum(o => (long)o.Quantity),
        orders.Where(o => o.StockDeducted).Select(o => o.Id).DefaultIfEmpty().Max(),
        [.. orders.Where(o => !o.StockDeducted).Select(o => o.Id)]));

    /// <summary>Before a load buyers are given back what they have.</summary>
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
    /// Whether an order that Redis has no record of was committed after buyers were last given back what they have. While there is no
    /// counter, they are about to be. A load that died leaves MySQL's epoch as it was, but then the next one restores them again.
    /// </summary>
    private bool IsNewToBuyer(Order order) => Counter is not null && order.Verdict!.Value.CommittedEpoch > _restoredUpTo;

    /// <summary>What the purchase limit counts: orders that stand, and reservations that Redis knows and that are not settled.</summary>
    private static bool Counts(Order order) => order.StockDeducted || (order.KnownToRedis && !order.SettledInRedis);
}
