using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

/// <summary>
/// The reference model of one SKU: the correct state of MySQL and Redis, derived from the events and not from the scripts' logic.
/// An order's effect on the counter is compared with the correct effect, given the sequence of loads and commits.
/// </summary>
internal sealed partial class LedgerModel(int mySqlStock)
{
    public List<Order> Orders { get; } = [];

    // MySQL
    public long MySqlStock { get; private set; } = mySqlStock;
    public long MySqlEpoch { get; private set; }
    public long? MySqlToken { get; private set; }
    private readonly Dictionary<(int User, string Click), long> _mySqlClicks = [];

    // Redis
    public long? Counter { get; private set; }
    public bool SaleKnown { get; private set; }
    public long Epoch { get; private set; }
    public long? Token { get; private set; }
    public long Reserved { get; private set; }
    public int Limit { get; private set; }
    public bool Paused { get; private set; }
    public bool Closed { get; private set; }
    public Dictionary<int, long> LastOrder { get; } = [];
    public Dictionary<(int User, string Click), long> Clicks { get; } = [];

    /// <summary>Units by which the counter is off on purpose, until the next load: foreign orders, and a load that died half-way.</summary>
    public long Drift { get; private set; }

    /// <summary>Whether a copy has taken over: its counter is meaningless until the next load.</summary>
    public bool Stale { get; private set; }

    private int _loadCount;

    /// <summary>The load that the counter in Redis comes from.</summary>
    private int _loads;

    public IEnumerable<Order> InRedis => Orders.Where(o => o.KnownToRedis);

    /// <summary>Units of unsettled reservations that were deducted from the current counter.</summary>
    public long Held =>
        Counter is null ? 0 : InRedis.Where(o => !o.SettledInRedis && o.DeductedFromLoad == _loads).Sum(o => (long)o.Quantity);

    /// <summary>Units that MySQL has deducted since the load and Redis has yet to learn of.</summary>
    public long CommittedUntold => Orders.Where(o => o.StockDeducted && !o.SettledInRedis && TellingCounts(o)).Sum(o => (long)o.Quantity);

    /// <summary>Whether the next warm-up will load the counter.</summary>
    /// <remarks>By the tokens alone: no two loads share one, whatever their epochs.</remarks>
    public bool NeedsLoad => Counter is null || Token != MySqlToken || Closed;

    /// <summary>Unsettled orders on which MySQL has a verdict.</summary>
    public IReadOnlyCollection<long> DecidedUnsettled =>
        [.. InRedis.Where(o => !o.SettledInRedis && o.Verdict is not null).Select(o => o.Id)];

    public (bool Loaded, long Epoch, long Stock) Warm(int limit, bool paused, bool crash, bool carry, long token, bool again)
    {
        (SaleKnown, Limit, Paused) = (true, limit, paused);
        var load = NeedsLoad || again;
        if (load)
        {
            Epoch = Math.Max(Epoch, MySqlEpoch) + 1;
            Token = token;
            Counter = MySqlStock;
            Drift = 0;
            Closed = false;
            Stale = false;
            _loads = ++_loadCount;
            foreach (var order in InRedis.Where(o => carry && !o.SettledInRedis && o.Verdict is null))
            {
                order.DeductedFromLoad = _loads;
                order.Epoch = Epoch;
                Counter -= order.Quantity;
            }
        }

        if (!crash)
        {
            (MySqlEpoch, MySqlToken) = (Epoch, Token);
        }

        return (load, Epoch, Counter!.Value);
    }

    /// <summary>An operator's transaction; the counter does not have these units before the next load.</summary>
    public void AddStock(int units, long token)
    {
        MySqlStock += units;
        Drift -= Counter is null ? 0 : units;
        if (MySqlEpoch > 0)
        {
            (MySqlEpoch, MySqlToken, _raisedFrom) = (MySqlEpoch + 1, token, MySqlToken);
        }
    }

    public (ReserveCode Code, long OrderId, long Value) Reserve(long id, LedgerStep.Ask ask, string? click)
    {
        if (Counter is null || !SaleKnown || Closed)
        {
            return (ReserveCode.Cold, 0, 0);
        }

        if (click is not null && Clicks.TryGetValue((ask.User, click), out var first))
        {
            return Orders.Single(order => order.Id == first).Quantity == ask.Quantity
                ? (ReserveCode.Duplicate, first, 0)
                : (ReserveCode.NumberUsed, 0, 0);
        }

        if (Paused)
        {
            return (ReserveCode.Paused, 0, 0);
        }

        if (HadBy(ask.User) + ask.Quantity > Limit)
        {
            return (ReserveCode.LimitReached, 0, Limit);
        }

        if (Counter < ask.Quantity)
        {
            return (ReserveCode.SoldOut, 0, Counter.Value);
        }

        Counter -= ask.Quantity;
        Reserved++;
        LastOrder[ask.User] = id;
        if (click is not null)
        {
            Clicks[(ask.User, click)] = id;
        }

        Orders.Add(new Order
        {
            Id = id,
            User = ask.User,
            Quantity = ask.Quantity,
            Click = click,
            Epoch = Epoch,
            DeductedFromLoad = _loads,
            KnownToRedis = true,
            CountsForBuyer = true,
        });
        return (ReserveCode.Accepted, id, 0);
    }

    public void AddForeign(long id, LedgerStep.Foreign foreign, string? click, bool deducted)
    {
        if (deducted)
        {
            Counter -= foreign.Quantity;
            Drift -= foreign.Quantity;
        }

        Orders.Add(new Order { Id = id, User = foreign.User, Quantity = foreign.Quantity, Click = click, Epoch = null });
    }

    /// <summary>The worker's transaction for a message.</summary>
    public void Commit(Order order, bool refuse)
    {
        var (success, deducted, detail) = (true, true, $"SN{order.Id}");
        if (order.Click is not null && _mySqlClicks.TryGetValue((order.User, order.Click), out var first))
        {
            (deducted, detail) = (false, $"SN{first}");
        }
        else if (refuse || MySqlStock < order.Quantity)
        {
            (success, deducted, detail) = (false, false, refuse ? "refused" : "sold out");
        }
        else
        {
            MySqlStock -= order.Quantity;
            if (order.Click is not null)
            {
                _mySqlClicks[(order.User, order.Click)] = order.Id;
            }
        }

        order.Verdict = new Settlement(
            order.Id, success, detail, deducted, MySqlEpoch, order.Quantity, order.User, order.Click, order.Epoch);
        order.LoadsBeforeCommit = _loads;
        if (deducted && Counter is not null && !TellingCounts(order))
        {
            // MySQL's stock goes down, and no script will ever update the counter.
            Drift += order.Quantity;
        }
    }

    public SettleCode Settle(Order order)
    {
        if (!SaleKnown && !order.KnownToRedis)
        {
            return SettleCode.Forgotten;
        }

        if (order.SettledInRedis)
        {
            order.Recalled = false;
            return SettleCode.AlreadySettled;
        }

        if (Counter is not null)
        {
            var did = Holds(order) ? -order.Quantity : 0;
            // A commit that came before the load is in the loaded figure; one that came after it must be deducted.
            var shouldHaveDone = order.StockDeducted && TellingCounts(order) ? -order.Quantity : 0;
            Counter += shouldHaveDone - did;
        }

        order.CountsForBuyer = order.StockDeducted && (order.CountsForBuyer || (!order.KnownToRedis && IsNewToBuyer(order)));
        // Without a record the message counts.
        order.Epoch = order.KnownToRedis ? order.Epoch : order.Verdict!.Value.MessageEpoch;
        order.SettledInRedis = true;
        order.KnownToRedis = true;
        LastOrder.TryAdd(order.User, order.Id);
        if (order.Click is not null)
        {
            Clicks.TryAdd((order.User, order.Click), order.Id);
        }

        return SettleCode.Settled;
    }

    public void Close() => Closed = SaleKnown;

    public void LoseCounter()
    {
        Counter = null;
        Drift = 0;
    }

    /// <summary>Without its epoch the counter is worthless: the next warm-up reloads it.</summary>
    public void LoseSale()
    {
        LoseCounter();
        (SaleKnown, Epoch, Token, Reserved, Closed, _restoredUpTo) = (false, 0, null, 0, false, null);
    }

    public void Flush()
    {
        LoseSale();
        LastOrder.Clear();
        Clicks.Clear();
        foreach (var order in Orders)
        {
            (order.KnownToRedis, order.SettledInRedis, order.DeductedFromLoad, order.CountsForBuyer) = (false, false, 0, false);
            order.Recalled = false;
        }
    }

    private bool Holds(Order order) => order.KnownToRedis && order.DeductedFromLoad == _loads;

    /// <summary>
    /// Whether settling has to reflect the order in the counter: it is held already, or it was committed after the load and reserved
    /// by a gate. This is not so after a load that died half-way, while MySQL still has the previous epoch: another load is then
    /// certain to follow, and it corrects the counter.
    /// </summary>
    private bool TellingCounts(Order order) =>
        Holds(order) || (order.Epoch is not null && order.LoadsBeforeCommit == _loads && order.Verdict!.Value.CommittedEpoch == Epoch);
}
