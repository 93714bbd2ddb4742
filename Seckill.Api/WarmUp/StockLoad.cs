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
    IServiceScopeFactory scopes, StockLedger ledger, StockRecovery recovery, BuyerRestore buyers, LoadGuard guard, LockedLoad locked,
    ILogger<StockLoad> logger)
{
    /// <summary>
    /// Maximum number of searches because of what is found under the row lock. If none finds an order, the load goes ahead: another
    /// producer that takes units from the counter itself is ahead of MySQL by a number that may keep growing.
    /// </summary>
    private const int SearchesMax = 3;

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
        var (stored, sale, redis) = await LookAsync(sku, cancellationToken);
        if (stored is null)
        {
            return null;
        }

        if (redis.Stock is { } stock && !termsChanged && !CounterState.IsDue(redis, stored, suspect))
        {
            return new LoadedSku(skuId, false, stock, stored.Value.Epoch);
        }

        // Stock was added, and the request that did it has not loaded the counter yet, or has died. Redis has lost nothing, so it sells on.
        if (!suspect && CounterState.IsRaised(redis, stored.Value))
        {
            return (await LoadAsync(new LoadRequest(sku, redis.Load, Drained: drained), cancellationToken)).Sku;
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
        else if (sale is not null && CounterState.SellsMeanwhile(redis, stored, suspect) && !redis.HasTerms(SaleCatalogue.TermsOf(sale)))
        {
            await locked.SetTermsAsync(sku, cancellationToken);
        }

        return (await LoadAsync(new LoadRequest(sku, Suspect: suspect, Drained: drained), cancellationToken)).Sku;
    }

    /// <summary>Closes the gate briefly and loads the counter again, whatever its value: the repair for a difference.</summary>
    /// <returns>Null when MySQL has no sale of this SKU, and when Redis has lost it and the queue has not been drained yet.</returns>
    public async Task<LoadedSku?> ReloadAsync(long skuId, bool drained, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(skuId);
        // Before the gate is closed, and not again after it: if this fails, the gate keeps selling.
        var cleared = await guard.CheckAsync(sku, reload: true, cancellationToken);
        await recovery.CloseAsync(sku, cancellationToken);
        return await LoadUntilTakenAsync(new LoadRequest(sku, Drained: drained), cancellationToken, cleared);
    }

    /// <summary>
    /// Applies a change made in MySQL to the gate: the terms, and the counter if MySQL has another load. A gate that Redis has lost stays
    /// closed; the loader opens it, with this change, when the queue is drained. No load that was decided before the change can open it. If
    /// the counter sells while a load of it has to wait for orders that MySQL lacks, the terms are set, and the load is left to the loader.
    /// </summary>
    /// <param name="skuId">The SKU.</param>
    /// <param name="raisedFrom">MySQL's load before the caller raised its epoch; null if the caller did not raise it. A counter of that
    /// load has lost nothing, it is only outdated: it keeps selling until the new one replaces it.</param>
    /// <param name="addedUnits">Units that the caller has added to MySQL's stock with that change.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    public async Task ApplyAsync(long skuId, LoadId? raisedFrom, int addedUnits, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(skuId);
        var (stored, sale, redis) = await LookAsync(sku, cancellationToken);
        if (redis.Load is null && stored is { Epoch: > 0 } && sale is not null)
        {
            // Such a load has read the old terms under the row lock, and has lost the lock since: it was frozen, or MySQL failed over.
            await ledger.OutdateAsync(sku, StockLedger.ExpiryOf(SaleCatalogue.TermsOf(sale)), cancellationToken);
            // It may have loaded the counter before that.
            redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
            if (redis.Load is null)
            {
                return;
            }
        }

        if (redis.Load != stored && !CounterState.IsOutdated(redis, raisedFrom))
        {
            await recovery.CloseAsync(sku, cancellationToken, redis.Epoch);
        }

        var holds = CounterState.SellsMeanwhile(redis, stored, suspect: false) && await locked.SetTermsAsync(sku, cancellationToken);
        try
        {
            var loaded = await LoadUntilTakenAsync(new LoadRequest(sku, raisedFrom, addedUnits), cancellationToken);
            if (loaded is null && sale is not null)
            {
                // Lost since the look.
                await ledger.OutdateAsync(sku, StockLedger.ExpiryOf(SaleCatalogue.TermsOf(sale)), cancellationToken);
            }
        }
        catch (OrdersMissingException exception) when (holds)
        {
            LogTermsOnly(skuId, exception.Message);
        }
    }

    /// <summary>
    /// Loads again when another instance's load came in between: that one may have read the sale before the caller's change.
    /// </summary>
    /// <exception cref="TimeoutException">The loads were overtaken for <see cref="OvertakenMsMax"/>; the loader tries again.</exception>
    private async Task<LoadedSku?> LoadUntilTakenAsync(
        LoadRequest request, CancellationToken cancellationToken, LoadClearance? allowed = null)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var (loaded, overtaken) = await LoadAsync(request, cancellationToken, allowed);
            if (!overtaken)
            {
                return loaded;
            }

            allowed = null;
            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds > OvertakenMsMax)
            {
                throw new TimeoutException(
                    $"SKU {request.Sku.SkuId} is not loaded: other instances have been loading it for {OvertakenMsMax} ms.");
            }
        }
    }

    /// <summary>MySQL's load and sale, null when it has no sale of the SKU, and Redis's state right after.</summary>
    private async Task<(LoadId? Stored, SeckillSale? Sale, LedgerSnapshot Redis)> LookAsync(
        SkuKeys sku, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var row = await context.ProductSkus.AsNoTracking().Where(row => row.Id == sku.SkuId && row.Sale != null)
            .Select(row => new { row.GateEpoch, row.GateLoad, Sale = row.Sale! }).SingleOrDefaultAsync(cancellationToken);
        LoadId? stored = row is null ? null : new LoadId(row.GateEpoch, row.GateLoad);
        var redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
        if (redis is { Stock: not null, Epoch: { } loaded, Closed: false, SameServer: not false } && loaded > stored?.Epoch)
        {
            // Another instance has just loaded it and not committed yet, or died before the commit: the row lock tells which, once it is
            // free. Closing now would turn buyers away from a correct counter.
            stored = CounterState.LoadOf(await SkuRowLock.TakeAsync(context, sku.SkuId, cancellationToken));
        }

        return (stored, row?.Sale, redis);
    }

    /// <summary>
    /// The guard searches before the row lock is taken. If more is found under the lock than it allowed, as after a fail-over that lost
    /// orders, nothing is set before another search. Nor is it if the load became due only then, before buyers have been restored ahead.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the waits.</param>
    /// <param name="allowed">What the guard has allowed already; null to ask it here.</param>
    /// <returns>Null without a sale, or when Redis lost it; <c>Overtaken</c> when Redis changed meanwhile, so nothing was set.</returns>
    /// <exception cref="OrdersMissingException">The load must wait until orders that MySQL has lost are written again.</exception>
    private async Task<(LoadedSku? Sku, bool Overtaken)> LoadAsync(
        LoadRequest request, CancellationToken cancellationToken, LoadClearance? allowed = null)
    {
        var sku = request.Sku;
        var cleared = allowed
            ?? await guard.CheckAsync(sku, request.Suspect, cancellationToken, request.RaisedFrom, request.AddedUnits);
        var (searches, wasUnprepared) = (0, false);
        while (true)
        {
            // In each round: the load may have become due since, and what was restored before may have come from another server.
            var ahead = await RestoreAheadAsync(request, cancellationToken);
            LoadClearance? bound = searches < SearchesMax ? cleared : null;
            var outcome = await locked.RunAsync(request, ahead, bound, mayRestoreAll: wasUnprepared, cancellationToken);
            if (outcome.Uncleared is { } found)
            {
                LogUncleared(sku.SkuId, cleared, found);
                await guard.SearchAsync(sku, cancellationToken);
                (cleared, searches) = (found, searches + 1);
            }
            else if (outcome.Unprepared)
            {
                wasUnprepared = true;
            }
            else
            {
                return (outcome.Sku, outcome.Overtaken);
            }
        }
    }

    /// <summary>
    /// The long part of a load, without the row lock: holding it would keep all orders of the SKU from being written meanwhile. Null when
    /// there seems to be nothing to restore.
    /// </summary>
    private async Task<RestoredLines?> RestoreAheadAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        var sku = request.Sku;
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var row = await context.ProductSkus.AsNoTracking().Include(row => row.Sale)
            .SingleOrDefaultAsync(row => row.Id == sku.SkuId, cancellationToken);
        if (row?.Sale is null)
        {
            return null;
        }

        var redis = await recovery.SnapshotAsync(sku, 0, cancellationToken);
        return CounterState.IsDue(redis, CounterState.LoadOf(row), request.Suspect)
                && CounterState.HasForgotten(redis, row, request.RaisedFrom)
            ? await buyers.RunAheadAsync(sku, row.GateEpoch, StockLedger.ExpiryOf(SaleCatalogue.TermsOf(row.Sale)), cancellationToken)
            : null;
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: a load was allowed for {Allowed}, and there is {Found} under the row lock; searching for missing orders")]
    private partial void LogUncleared(long skuId, LoadClearance allowed, LoadClearance found);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "SKU {SkuId}: the changed terms are in force, and the stock will be loaded later: {Reason}")]
    private partial void LogTermsOnly(long skuId, string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis and MySQL do not have the same load; the gate is closed until it is loaded again")]
    private partial void LogClosed(long skuId);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "SKU {SkuId}: Redis has lost it; the wait for the queue is over, and the stock is loaded")]
    private partial void LogLost(long skuId);
}
