using System.Data;
using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.WarmUp;

/// <summary>
/// Sets one SKU's counter from MySQL when necessary: when Redis does not have it, has a different load from MySQL's, or is no longer the
/// server that took the last load. A running counter is left alone. See warm.lua for the treatment of orders in transit.
/// </summary>
public sealed partial class StockLoad(
    IServiceScopeFactory scopes, StockLedger ledger, StockRecovery recovery, BuyerRestore buyers, LoadGuard guard,
    ILogger<StockLoad> logger)
{
    /// <summary>How often the result of an unanswered load is checked.</summary>
    private const int LateLooksMax = 20;

    private const int LateLookEveryMs = 250;

    /// <summary>How long a load is repeated that other instances' loads overtake, ms.</summary>
    private const int OvertakenMsMax = 10_000;

    /// <summary>
    /// Checks the counter and loads it if necessary; with <paramref name="termsChanged"/> the sale's terms are updated in any case.
    /// </summary>
    /// <param name="skuId">The SKU.</param>
    /// <param name="termsChanged">See above.</param>
    /// <param name="suspect">Whether a counter that looks right is loaded again anyway, because Redis may have lost orders since the
    /// load.</param>
    /// <param name="drained">Whether the wait after a loss of Redis is over, see <see cref="QueueDrain"/>.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    /// <returns>Null when MySQL has no sale of this SKU, when Redis has lost it and the queue has not been drained yet, or when the sale
    /// changed during the check.</returns>
    public async Task<LoadedSku?> RunAsync(
        long skuId, bool termsChanged, bool drained, CancellationToken cancellationToken, bool suspect = false)
    {
        var sku = new SkuKeys(skuId);
        var (stored, redis) = await LookAsync(sku, cancellationToken);
        if (stored is null)
        {
            return null;
        }

        if (redis is { Stock: { } stock, Closed: false, SameServer: not false } && redis.Load == stored && !termsChanged && !suspect)
        {
            return new LoadedSku(skuId, false, stock, stored.Value.Epoch);
        }

        // Stock was added, and the request that did it has not loaded the counter yet, or has died. Redis has lost nothing, so it sells on.
        if (!suspect && CounterState.IsRaised(redis, stored.Value))
        {
            return (await LoadAsync(sku, redis.Load, suspect: false, cancellationToken)).Sku;
        }

        // Another server with the same load has taken over, or has come back with apparently all of its data: it keeps selling until it is
        // loaded again. MySQL is authoritative for stock and limit meanwhile.
        if (redis.Load is not null && redis.Load != stored)
        {
            LogClosed(skuId);
            await recovery.CloseAsync(sku, cancellationToken, redis.Epoch);
            CrashPoint.Reach(CrashPoint.GateClosed);
        }
        else if (redis.Load is null && stored.Value.Epoch > 0)
        {
            if (!drained)
            {
                return null;
            }

            LogLost(skuId);
        }

        return (await LoadAsync(sku, null, suspect, cancellationToken)).Sku;
    }

    /// <summary>Closes the gate briefly and loads the counter again, whatever its value: the repair for a difference.</summary>
    public async Task<LoadedSku?> ReloadAsync(long skuId, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(skuId);
        // Before the gate is closed: if this fails, the gate keeps selling.
        await guard.CheckAsync(sku, reload: true, cancellationToken);
        await recovery.CloseAsync(sku, cancellationToken);
        return await LoadUntilTakenAsync(sku, null, 0, cancellationToken);
    }

    /// <summary>
    /// Applies a change made in MySQL to the gate: the terms, and the counter if MySQL has another load. A gate that Redis has lost stays
    /// closed, so there is nothing to change; the loader opens it, with this change, when the queue is drained.
    /// </summary>
    /// <param name="skuId">The SKU.</param>
    /// <param name="raisedFrom">MySQL's load before the caller raised its epoch; null if the caller did not raise it. A counter of that
    /// load has lost nothing, it is only outdated: it keeps selling until the new one replaces it.</param>
    /// <param name="addedUnits">Units that the caller has added to MySQL's stock with that change.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    public async Task ApplyAsync(long skuId, LoadId? raisedFrom, int addedUnits, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(skuId);
        var (stored, redis) = await LookAsync(sku, cancellationToken);
        if (redis.Load is null && stored is { Epoch: > 0 })
        {
            return;
        }

        if (redis.Load != stored && !CounterState.IsOutdated(redis, raisedFrom))
        {
            await recovery.CloseAsync(sku, cancellationToken, redis.Epoch);
        }

        await LoadUntilTakenAsync(sku, raisedFrom, addedUnits, cancellationToken);
    }

    /// <summary>
    /// Loads again when another instance's load came in between: that one may have read the sale before the caller's change.
    /// </summary>
    /// <exception cref="TimeoutException">The loads were overtaken for <see cref="OvertakenMsMax"/>; the loader tries again.</exception>
    private async Task<LoadedSku?> LoadUntilTakenAsync(
        SkuKeys sku, LoadId? raisedFrom, int addedUnits, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var (loaded, overtaken) = await LoadAsync(sku, raisedFrom, suspect: false, cancellationToken, addedUnits);
            if (!overtaken)
            {
                return loaded;
            }

            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds > OvertakenMsMax)
            {
                throw new TimeoutException($"SKU {sku.SkuId} is not loaded: other instances have been loading it for {OvertakenMsMax} ms.");
            }
        }
    }

    /// <summary>MySQL's load, null when it has no sale of the SKU, and Redis's state right after.</summary>
    private async Task<(LoadId? Stored, LedgerSnapshot Redis)> LookAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var row = await context.ProductSkus.Where(row => row.Id == sku.SkuId && row.Sale != null)
            .Select(row => new { row.GateEpoch, row.GateLoad }).SingleOrDefaultAsync(cancellationToken);
        LoadId? stored = row is null ? null : new LoadId(row.GateEpoch, row.GateLoad);
        var redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
        if (redis is { Stock: not null, Epoch: { } loaded, Closed: false, SameServer: not false } && loaded > stored?.Epoch)
        {
            // Another instance has just loaded it and not committed yet, or died before the commit: the row lock tells which, once it is
            // free. Closing now would turn buyers away from a correct counter.
            stored = CounterState.LoadOf(await SkuRowLock.TakeAsync(context, sku.SkuId, cancellationToken));
        }

        return (stored, redis);
    }

    /// <summary>
    /// Under the row lock: while the counter is being set, the worker cannot commit an order that the number read here does not include. A
    /// crash between Redis and the commit leaves two different loads; the next check detects that and loads again.
    /// </summary>
    /// <returns>Null without a sale; <c>Overtaken</c> when Redis changed meanwhile, so nothing was set.</returns>
    private async Task<(LoadedSku? Sku, bool Overtaken)> LoadAsync(
        SkuKeys sku, LoadId? raisedFrom, bool suspect, CancellationToken cancellationToken, int addedUnits = 0)
    {
        await guard.CheckAsync(sku, reload: suspect, cancellationToken, raisedFrom, addedUnits);
        var ahead = await RestoreAheadAsync(sku, raisedFrom, suspect, cancellationToken);
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await using var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var row = await SkuRowLock.TakeAsync(context, sku.SkuId, cancellationToken);
        var sale = await context.SeckillSales.AsNoTracking().SingleOrDefaultAsync(s => s.SkuId == sku.SkuId, cancellationToken);
        if (row is null || sale is null)
        {
            return (null, false);
        }

        var terms = SaleCatalogue.TermsOf(sale);
        var redis = await recovery.SnapshotAsync(sku, StockRecovery.UnsettledIdsMax, cancellationToken);
        HashSet<long>? decided = null;
        var due = CounterState.IsDue(redis, row, suspect);
        if (due)
        {
            // Unless all of them are known, the counter would offer units that some buyers hold.
            var unsettled = redis.UnsettledIds ?? [.. await recovery.UnsettledIdsAsync(sku, cancellationToken)];
            var decisions = await StoreDecisions.ReadAsync(context, unsettled, cancellationToken);
            decided = [.. decisions.Select(decision => decision.OrderId)];
            if (CounterState.HasForgotten(redis, row, raisedFrom))
            {
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
            return (null, true);
        }

        if (result.Loaded)
        {
            CrashPoint.Reach(CrashPoint.StockLoaded);
            await context.ProductSkus.Where(s => s.Id == sku.SkuId)
                .ExecuteUpdateAsync(
                    set => set.SetProperty(s => s.GateEpoch, result.Epoch).SetProperty(s => s.GateLoad, token), cancellationToken);
            LogLoaded(sku.SkuId, result.Stock, result.Epoch);
        }

        await transaction.CommitAsync(cancellationToken);
        return (new LoadedSku(sku.SkuId, result.Loaded, result.Stock, result.Epoch), false);
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
                sku, row.Stock, new LoadId(row.GateEpoch, row.GateLoad), token, terms, decided, cancellationToken, seen, due);
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

    /// <summary>
    /// The long part of a load, without the row lock: holding it would keep all orders of the SKU from being written meanwhile. Null when
    /// there seems to be nothing to restore.
    /// </summary>
    private async Task<RestoredLines?> RestoreAheadAsync(
        SkuKeys sku, LoadId? raisedFrom, bool suspect, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var row = await context.ProductSkus.AsNoTracking().Include(row => row.Sale)
            .SingleOrDefaultAsync(row => row.Id == sku.SkuId, cancellationToken);
        if (row?.Sale is null)
        {
            return null;
        }

        var redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
        return CounterState.IsDue(redis, row, suspect) && CounterState.HasForgotten(redis, row, raisedFrom)
            ? await buyers.RunAheadAsync(sku, row.GateEpoch, StockLedger.ExpiryOf(SaleCatalogue.TermsOf(row.Sale)), cancellationToken)
            : null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "SKU {SkuId}: {Stock} units loaded into the gate, epoch {Epoch}")]
    private partial void LogLoaded(long skuId, long stock, long epoch);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: Redis changed during preparation of the load; checking again")]
    private partial void LogOvertaken(long skuId);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis and MySQL do not have the same load; the gate is closed until it is loaded again")]
    private partial void LogClosed(long skuId);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis has lost it; the wait for the queue is over, and the stock is loaded")]
    private partial void LogLost(long skuId);
}
