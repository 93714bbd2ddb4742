namespace Seckill.Tests.Ledger;

/// <content>A copy of Redis at one moment, which takes over at another.</content>
internal sealed partial class LedgerModel
{
    private Action? _failOver;

    public void Copy()
    {
        var redis = (Counter, SaleKnown, Epoch, Token, Reserved, Limit, Paused, Closed, Stale, _loads, _restoredUpTo);
        var (buyers, clicks) = (LastOrder.ToArray(), Clicks.ToArray());
        var orders = Orders.ToDictionary(
            o => o, o => (o.Epoch, o.DeductedFromLoad, o.CountsForBuyer, o.KnownToRedis, o.SettledInRedis, o.Recalled));
        _failOver = () =>
        {
            Flush();
            (Counter, SaleKnown, Epoch, Token, Reserved, Limit, Paused, Closed, Stale, _loads, _restoredUpTo) = redis;
            foreach (var (user, order) in buyers)
            {
                LastOrder[user] = order;
            }

            foreach (var (click, order) in clicks)
            {
                Clicks[click] = order;
            }

            foreach (var (order, was) in orders)
            {
                (order.Epoch, order.DeductedFromLoad, order.CountsForBuyer, order.KnownToRedis, order.SettledInRedis, order.Recalled) = was;
            }
        };
    }

    public void FailOver()
    {
        _failOver?.Invoke();
        Stale = true;
        Close();
    }
}
