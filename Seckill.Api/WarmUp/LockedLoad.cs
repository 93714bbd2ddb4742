using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Seckill.Api.Catalogue;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>A request to load a counter, or only to update the sale's terms if the counter is running.</summary>
/// <param name="Sku">The SKU.</param>
/// <param name="RaisedFrom">The load to which stock was added; null if none was added.</param>
/// <param name="AddedUnits">Units that were added.</param>
/// <param name="Suspect">Whether a counter that looks right is loaded again anyway.</param>
/// <param name="Drained">Whether a sale that Redis has lost may be loaded: the wait for its orders in the queue is over.</param>
public sealed record LoadRequest(
    SkuKeys Sku, LoadId? RaisedFrom = null, int AddedUnits = 0, bool Suspect = false, bool Drained = false);

/// <summary>The end of one attempt; all empty without a sale, and when Redis has lost it and the queue has not been drained.</summary>
/// <param name="Sku">The counter, loaded or left alone.</param>
/// <param name="Overtaken">Whether Redis changed meanwhile, so nothing was set.</param>
/// <param name="Uncleared">Why nothing was set: this is more than was allowed.</param>
/// <param name="Unprepared">Whether buyers have to be restored and none were ahead, so nothing was set.</param>
public readonly record struct LoadOutcome(
    LoadedSku? Sku, bool Overtaken = false, LoadClearance? Uncleared = null, bool Unprepared = false);

/// <summary>
/// The part of a load under the row lock: while the counter is being set, the worker cannot commit an order that the number read here does
/// not include. A crash between Redis and the commit leaves two different loads; the next check detects that and loads again.
/// </summary>
public sealed partial class LockedLoad(
    IServiceScopeFactory scopes, StockLedger ledger, StockRecovery recovery, BuyerRestore buyers, ILogger<LockedLoad> logger)
{
    /// <summary>How often the result of an unanswered load is checked.</summary>
    private const int LateLooksMax = 20;

    private const int LateLookEveryMs = 250;

    /// <summary>Sets the counter, or only the terms if no load is due.</summary>
    /// <param name="request">The request.</param>
    /// <param name="ahead">What was restored without the lock.</param>
    /// <param name="cleared">What the load was allowed for; null to load in any case.</param>
    /// <param name="mayRestoreAll">Whether all buyers may be restored under the lock if none were ahead, however long that takes.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    public async Task<LoadOutcome> RunAsync(
        LoadRequest request, RestoredLines? ahead, LoadClearance? cleared, bool mayRestoreAll, CancellationToken cancellationToken)
    {
        var sku = request.Sku;
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await using var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var row = await SkuRowLock.TakeAsync(context, sku.SkuId, cancellationToken);
        var sale = await context.SeckillSales.AsNoTracking().SingleOrDefaultAsync(s => s.SkuId == sku.SkuId, cancellationToken);
        if (row is null || sale is null)
        {
            return default;
        }

        var terms = SaleCatalogue.TermsOf(sale);
        var stored = new LoadId(row.GateEpoch, row.GateLoad);
        var redis = await recovery.SnapshotAsync(sku, StockRecovery.UnsettledIdsMax, cancellationToken);
        if (redis.Load is null && stored.Epoch > 0 && !request.Drained)
        {
            // Lost since the caller looked: left to the loader, which waits for the orders in the queue.
            return default;
        }

        HashSet<long>? decided = null;
        var due = CounterState.IsDue(redis, stored, request.Suspect);
        if (due)
        {
            // Unless all of them are known, the counter would offer units that some buyers hold.
            (redis, var unsettled) = await UnsettledOrders.CompleteAsync(recovery, sku, redis, cancellationToken);
            var decisions = await StoreDecisions.ReadAsync(context, unsettled, cancellationToken);
            var found = new LoadClearance(
                stored, row.Stock,
                CounterState.RiseOf(row.Stock, stored, redis, decisions, request.RaisedFrom, request.AddedUnits),
                await StoreServer.ReadAsync(context, cancellationToken));
            if (cleared?.Covers(found) is false)
            {
                return new LoadOutcome(null, Uncleared: found);
            }

            decided = [.. decisions.Select(decision => decision.OrderId)];
            if (CounterState.HasForgotten(redis, row, request.RaisedFrom))
            {
                if (ahead is null && !mayRestoreAll)
                {
                    return new LoadOutcome(null, Unprepared: true);
                }

                var written = decisions.Where(decision => decision.StockDeducted).Select(decision => decision.OrderId);
                var pending = await recovery.PendingAsync(sku, [.. unsettled.Except(written)], cancellationToken);
                await buyers.FinishAsync(context, sku, row.GateEpoch, ahead, pending, StockLedger.ExpiryOf(terms), cancellationToken);
                redis = redis with { Counted = row.GateEpoch };
                CrashPoint.Reach(CrashPoint.BuyersRestored);
            }
        }

        var token = LoadId.NewToken();
        var result = await WarmAsync(sku, row, token, terms, decided, redis, due, cancellationToken);
        if (result.Refused)
        {
            LogOvertaken(sku.SkuId);
            return new LoadOutcome(null, Overtaken: true);
        }

        await CommitAsync(context, transaction, sku, result, token, cancellationToken);
        return new LoadOutcome(new LoadedSku(sku.SkuId, result.Loaded, result.Stock, result.Epoch));
    }

    /// <summary>
    /// Sets only the terms of a counter that sells under MySQL's load: a load that is due may have to wait, and a pause must hold
    /// meanwhile.
    /// </summary>
    /// <returns>Whether Redis has the terms.</returns>
    public async Task<bool> SetTermsAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await using var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var row = await SkuRowLock.TakeAsync(context, sku.SkuId, cancellationToken);
        var sale = await context.SeckillSales.AsNoTracking().SingleOrDefaultAsync(s => s.SkuId == sku.SkuId, cancellationToken);
        if (row is null || sale is null)
        {
            return false;
        }

        var stored = new LoadId(row.GateEpoch, row.GateLoad);
        var redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
        return CounterState.SellsMeanwhile(redis, stored, suspect: true)
            && await ledger.WarmAsync(
                sku, row.Stock, stored, LoadId.NewToken(), SaleCatalogue.TermsOf(sale), decided: null, cancellationToken, redis,
                termsOnly: true) is { Refused: false };
    }

    /// <summary>Records a new load in MySQL, and releases the lock.</summary>
    private async Task CommitAsync(
        OrderingDbContext context, IDbContextTransaction transaction, SkuKeys sku, WarmResult result, long token,
        CancellationToken cancellationToken)
    {
        if (result.Loaded)
        {
            CrashPoint.Reach(CrashPoint.StockLoaded);
            await context.ProductSkus.Where(s => s.Id == sku.SkuId)
                .ExecuteUpdateAsync(
                    set => set.SetProperty(s => s.GateEpoch, result.Epoch).SetProperty(s => s.GateLoad, token), cancellationToken);
            LogLoaded(sku.SkuId, result.Stock, result.Epoch);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>
    /// With many orders to carry over, Redis takes longer than the client waits. Giving up then would leave two loads, and the next attempt
    /// would take just as long. So the result of the call is queried instead.
    /// </summary>
    private async Task<WarmResult> WarmAsync(
        SkuKeys sku, ProductSku row, long token, SaleTerms terms, HashSet<long>? decided, LedgerSnapshot seen, bool due,
        CancellationToken cancellationToken)
    {
        try
        {
            return await ledger.WarmAsync(
                sku, row.Stock, new LoadId(row.GateEpoch, row.GateLoad), token, terms, decided, cancellationToken, seen, due,
                termsOnly: !due);
        }
        catch (TimeoutException) when (due)
        {
            for (var look = 0; look < LateLooksMax; look++)
            {
                await Task.Delay(LateLookEveryMs, cancellationToken);
                var now = (await recovery.SnapshotAsync([sku], cancellationToken))[0];
                if (now is { Stock: { } stock, Epoch: { } epoch, Closed: false } && now.LoadToken == token)
                {
                    return new WarmResult(true, epoch, stock);
                }
            }

            throw;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "SKU {SkuId}: {Stock} units loaded into the gate, epoch {Epoch}")]
    private partial void LogLoaded(long skuId, long stock, long epoch);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: Redis changed during preparation of the load; checking again")]
    private partial void LogOvertaken(long skuId);
}
