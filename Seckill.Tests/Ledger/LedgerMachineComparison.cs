using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

/// <content>The comparisons after every step.</content>
internal sealed partial class LedgerMachine
{
    private async Task CompareAsync()
    {
        // Sent together: most of a history's time is spent on waking up for answers.
        var (stock, sale, orders, buyers, clicks, outbox) = (
            _database.StringGetAsync(_sku.Stock), _database.HashGetAllAsync(_sku.Sale), _database.HashGetAllAsync(_sku.Orders),
            _database.HashGetAllAsync(_sku.Buyers), _database.HashGetAllAsync(_sku.Clicks),
            _database.SortedSetRangeByRankAsync(_sku.Outbox));
        var snapshot = _recovery.SnapshotAsync(_sku, StockRecovery.UnsettledIdsMax, _cancellationToken);
        await Task.WhenAll(stock, sale, orders, buyers, clicks, outbox, snapshot);

        if (_model is { SaleKnown: true, Stale: false })
        {
            Assert.Equal(_model.Counter, (await stock).HasValue ? (long)await stock : null);
        }

        if (_model is { Counter: { } counter, Stale: false })
        {
            var fields = (await sale).ToDictionary();
            var held = fields.TryGetValue("held", out var text) ? (long)text : 0;
            Assert.Equal((_model.Epoch, _model.Held), ((long)fields["epoch"], held));
            // Conservation: the gate's stock and held units equal MySQL's stock, except for commits that Redis has yet to learn of.
            Assert.Equal(_model.MySqlStock + _model.CommittedUntold + _model.Drift, counter + held);
        }

        CompareOutbox(await snapshot);
        Assert.True(_model.MySqlStock >= 0);
        CompareOrders((await orders).ToDictionary(e => (long)e.Name, e => Reservation.Parse((long)e.Name, e.Value!)));
        Assert.Equal(
            _model.LastOrder.ToDictionary(b => $"{b.Key}", b => $"{_model.HadBy(b.Key)}|{b.Value}"),
            (await buyers).ToDictionary(e => e.Name.ToString(), e => e.Value.ToString()));
        Assert.Equal(
            _model.Clicks.ToDictionary(c => $"{c.Key.User}:{c.Key.Click}", c => c.Value),
            (await clicks).ToDictionary(e => e.Name.ToString(), e => (long)e.Value));
        Assert.Equal(
            _model.InRedis.Where(o => !o.SettledInRedis || o.Recalled).Select(o => o.Id).Order(),
            (await outbox).Select(id => (long)id).Order());
    }

    /// <summary>The reconciliation's assumptions: Redis holds the units in its outbox, and orders settled earlier are recognised.</summary>
    private void CompareOutbox(LedgerSnapshot snapshot)
    {
        if (_model is { Counter: not null, SaleKnown: true })
        {
            Assert.Equal(_model.Held, snapshot.ReservedUnits);
        }

        Assert.Equal(_model.InRedis.Where(o => o.Recalled).Select(o => o.Id).Order(), snapshot.ToldIds!.Order());
    }

    private void CompareOrders(Dictionary<long, Reservation> real)
    {
        Assert.Equal(_model.InRedis.Select(o => o.Id).Order(), real.Keys.Order());
        foreach (var order in _model.InRedis)
        {
            var record = real[order.Id];
            var state = !order.SettledInRedis ? OrderState.Pending : order.Verdict!.Value.Success ? OrderState.Success : OrderState.Failed;
            Assert.Equal(
                (state, order.Quantity, order.User, order.Epoch ?? -1, order.Click,
                    order.SettledInRedis ? order.Verdict!.Value.Detail : null),
                (record.State, record.Quantity, record.UserId, record.Epoch, record.ClientOrderNo, record.Detail));
        }
    }

    /// <summary>At the end the gate is warm, MySQL decides the remaining orders, Redis learns of them, and the books agree.</summary>
    private async Task ComeToRestAsync()
    {
        await WarmAsync(new LedgerStep.Warm(
            Crash: false, Limit: 8, Paused: false, Carry: true, Again: false, Shut: false, Told: false, Moved: false));
        foreach (var order in _model.Orders.Where(o => o.Verdict is null).ToArray())
        {
            _model.Commit(order, refuse: false);
        }

        if (_model.Orders.Count > 0)
        {
            await SettleAsync([.. _model.Orders]);
            await SettleAsync([.. _model.Orders]);
        }

        await CompareAsync();
        Assert.Equal(_model.MySqlStock + _model.Drift, (long)await _database.StringGetAsync(_sku.Stock));
        Assert.Equal(0, (long)await _database.HashGetAsync(_sku.Sale, "held"));
        Assert.Equal(0, await _database.SortedSetLengthAsync(_sku.Outbox));
        // Redis counts the same units per buyer as MySQL, whatever was lost on the way.
        foreach (var user in _model.Orders.Select(o => o.User).Distinct())
        {
            Assert.Equal(_model.BoughtBy(user), _model.HadBy(user));
        }

        foreach (var key in _sku.All)
        {
            var exists = await _database.KeyExistsAsync(key);
            Assert.True(!exists || await _database.KeyTimeToLiveAsync(key) is not null, $"{key} would stay for ever");
        }
    }
}
