using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <content>The promises after each step, and at rest.</content>
internal sealed partial class HistoryMachine
{
    private async Task LookAsync()
    {
        var books = await ReadAsync();
        _staleLoad = books.RedisLoad == _staleLoad ? _staleLoad : null;
        books.AssertPromises(_limitHighest, stale: _staleLoad is not null);
        foreach (var (id, order) in _told)
        {
            Assert.True(
                !books.Orders.TryGetValue(id, out var written) || written.Amount == order.UnitPrice * order.Quantity,
                $"order {id} was told {order} and costs {written?.Amount}");
        }
    }

    private async Task ComeToRestAsync()
    {
        while (_instances.Any(instance => instance.LateCalls.Count > 0))
        {
            await CarryOutLateAsync(new HistoryStep.LateCall(0));
        }

        if (_history.HidesServer)
        {
            // The orders that a dead instance had accepted are not remembered, so only an operator can notice their loss.
            await _instances[0].ReloadAsync(_sku, _cancellationToken);
        }

        var books = await ReadAsync();
        for (var round = 0; round < RoundsToRestMax && (round == 0 || !books.IsAtRest); round++)
        {
            await GoRoundAsync();
            books = await ReadAsync();
        }

        books.AssertAtRest();
        Assert.True(await _instances[0].IsBalancedAsync(_sku, _cancellationToken), "The reconciliation shows a difference.");
        await AssertAnsweredAsync(books);
    }

    /// <summary>Every part does its pending work.</summary>
    private async Task GoRoundAsync()
    {
        await _instances[0].LookAsync(_sku, _cancellationToken);
        await _instances[1].LookAsync(_sku, _cancellationToken);
        await _instances[0].ReconcileAsync(_sku, _cancellationToken);
        await SweepAsync(new HistoryStep.Sweep(0, Noted: true, null));
        while (!_workers.IsEmpty)
        {
            await _workers.SettleAsync(new HistoryStep.Settle(0, Acks: true), _cancellationToken);
            await _workers.WriteAsync(new HistoryStep.Write(false, 0, int.MaxValue, false), _cancellationToken);
        }

        await LookAsync();
    }

    /// <summary>Each order has one answer, and a repeated click finds its own order.</summary>
    private async Task AssertAnsweredAsync(HistoryBooks books)
    {
        foreach (var (id, order) in _told)
        {
            Assert.True(books.Orders.ContainsKey(id) || books.Refused.ContainsKey(id) || books.Records.ContainsKey(id), $"lost: {id}");
            if (order.Number is null)
            {
                continue;
            }

            var ids = _told.Where(told => (told.Value.UserId, told.Value.Number) == (order.UserId, order.Number)).ToList();
            var again = await RepeatAsync(order);
            if (again.Code == ReserveCode.Cold)
            {
                // Two loads may have the same epoch, one by an instance that died and one after a loss. An instance that confuses them
                // closes the gate, and the next check loads it.
                await GoRoundAsync();
                again = await RepeatAsync(order);
            }

            Assert.True(
                (again.Code == ReserveCode.Duplicate && ids.Exists(told => told.Key == again.OrderId))
                    || (again.Code == ReserveCode.NumberUsed && ids.Exists(told => told.Value.Quantity != order.Quantity)),
                $"the repeat of {order}, order {id}, is {again}");
        }
    }

    private async Task<ReserveResult> RepeatAsync(ToldOrder order) =>
        (await _instances[1].ClickAsync(_sku, Ids.Next(), order.UserId, order.Quantity, order.Number)).Result;
}
