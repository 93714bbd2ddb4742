using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Api.Reconciliation;

/// <summary>The state of one SKU in Redis and MySQL at the same moment.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Redis">Counter and reservations.</param>
/// <param name="MySqlStock">Units left in MySQL.</param>
/// <param name="MySqlLoad">The counter load that MySQL considers valid.</param>
/// <param name="LiveUnits">Units in orders.</param>
/// <param name="Units">Units put on sale; null when unknown.</param>
/// <param name="CommittedUnsettledUnits">Units that MySQL has committed from this counter and Redis has not settled yet; null when there
/// are too many orders to read.</param>
/// <param name="Decided">Unsettled orders on which MySQL has decided; with too many to read, those among the oldest.</param>
/// <param name="Undecided">Unsettled orders that MySQL does not know yet, likewise.</param>
/// <param name="Unreadable">Why Redis's side is unknown: its keys for the SKU hold something else, it does not answer, or another session
/// keeps the SKU's row in MySQL locked.</param>
public sealed record SkuReconciliation(
    long SkuId, LedgerSnapshot Redis, long MySqlStock, LoadId MySqlLoad, long LiveUnits, long? Units, long? CommittedUnsettledUnits,
    IReadOnlyList<Settlement> Decided, IReadOnlyList<long> Undecided, string? Unreadable)
{
    /// <summary>Orders that one store has lost; searched for only when the numbers do not balance.</summary>
    public LostOrders Lost { get; init; } = LostOrders.None;

    /// <summary>Whether MySQL no longer has a sale of the SKU although Redis still holds data for it.</summary>
    public bool SaleGone { get; init; }

    /// <summary>Units of closed orders.</summary>
    public long ClosedUnits { get; init; }

    /// <summary>Whether more orders are unsettled than one comparison reads, so that the difference is unknown.</summary>
    public bool TooManyUnsettled => Unreadable is null && Redis.UnsettledIds is null;

    /// <summary>Whether Redis has a valid counter at all.</summary>
    public bool Loaded => Redis.Load == MySqlLoad && !Redis.Closed;

    /// <summary>
    /// Redis stock + units held − units committed but not settled − MySQL stock. Always 0 in a healthy system; positive when Redis offers
    /// units that MySQL does not have, negative when units have leaked. Null when unknown.
    /// </summary>
    public long? Difference => Loaded && Redis.Stock is { } stock && CommittedUnsettledUnits is { } committed
        ? stock + Redis.Held - committed - MySqlStock
        : null;

    /// <summary>
    /// Units held − units of the reservations in the outbox. 0 in a healthy system; positive when Redis has lost reservations or the
    /// outbox. The difference does not show that, because it relies on Redis's own total. Null when there are too many to read.
    /// </summary>
    public long? HeldDifference => Loaded && Redis.ReservedUnits is { } reserved ? Redis.Held - reserved : null;

    /// <summary>
    /// MySQL stock + units in orders + units of closed orders − units put on sale. 0 in a healthy system; null when the number put on sale
    /// is unknown.
    /// </summary>
    public long? StoreDifference => Units is { } units ? MySqlStock + LiveUnits + ClosedUnits - units : null;

    internal BooksState State => new(Difference, HeldDifference, StoreDifference, Redis.Load, MySqlLoad);

    /// <summary>When the oldest unsettled reservation was made.</summary>
    public DateTimeOffset? OldestUnsettled => Redis.UnsettledIds is { Count: > 0 } ids ? SnowflakeSequence.TimeOf(ids.Min()) : null;
}

/// <summary>
/// Compares Redis and MySQL exactly, while the sale runs. The SKU's row lock keeps anything from being committed while a read view is
/// opened in MySQL and one script takes a snapshot in Redis. Then the lock is released, and the slow part is read from the view.
/// </summary>
public sealed class ReconciliationReader(
    IServiceScopeFactory scopes, StockRecovery recovery, LossWatch losses, IOptions<ReconciliationOptions> options, TimeProvider time)
{
    /// <summary>The snapshot for a SKU whose keys Redis cannot read.</summary>
    private static readonly LedgerSnapshot Nothing = new(null, null, 0, 0, 0, SameServer: false, Closed: false, UnsettledIds: null);

    /// <summary>Null when MySQL has no sale of this SKU and Redis holds no data for it.</summary>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<SkuReconciliation?> ReadAsync(long skuId, CancellationToken cancellationToken)
    {
        var found = await CompareAsync(skuId, cancellationToken);
        // A sale may have been deleted together with its orders, so missing orders are not searched for.
        if (found is not { Unreadable: null, SaleGone: false })
        {
            return found;
        }

        try
        {
            return found with { Lost = await losses.LookAsync(new SkuKeys(skuId), found.State, cancellationToken) };
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            return found with { Unreadable = exception.Message };
        }
    }

    private async Task<SkuReconciliation?> CompareAsync(long skuId, CancellationToken cancellationToken)
    {
        await using var viewScope = scopes.CreateAsyncScope();
        var view = viewScope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await using var viewTransaction = await view.Database.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);

        var redis = Nothing;
        string? unreadable = null;
        ProductSku? sku;
        await using (var lockScope = scopes.CreateAsyncScope())
        {
            var locking = lockScope.ServiceProvider.GetRequiredService<OrderingDbContext>();
            await using var locked = await locking.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
            try
            {
                await SkuRowLock.TakeAsync(locking, skuId, cancellationToken);
                sku = await SkuOfAsync(view, skuId, cancellationToken);
                redis = await recovery.SnapshotAsync(new SkuKeys(skuId), StockRecovery.UnsettledIdsMax, cancellationToken);
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                // A failure at one SKU's keys, shard or row must not hide the others from an operator, nor MySQL's side of this one.
                unreadable = exception.Message;
                sku = await SkuOfAsync(view, skuId, cancellationToken);
            }
        }

        var ids = redis.UnsettledIds;
        if (ids is null && unreadable is null)
        {
            (ids, unreadable) = await OldestAsync(skuId, cancellationToken);
        }

        var gone = sku?.Sale is null;
        if (gone && redis is { Stock: null, Unsettled: 0 } && unreadable is null)
        {
            return null;
        }

        var live = await view.OrderItems.Where(item => item.SkuId == skuId)
            .Join(
                view.Orders.Where(order => order.Status != OrderStatus.Closed), item => item.OrderId, order => order.Id,
                (item, _) => (long)item.Quantity)
            .SumAsync(cancellationToken);
        var decided = ids is null ? [] : await StoreDecisions.ReadAsync(view, ids, cancellationToken);
        var known = decided.Select(decision => decision.OrderId).ToHashSet();
        // Orders published again because MySQL lost them were deducted from the counter long ago.
        var told = redis.ToldIds?.ToHashSet() ?? [];
        return new SkuReconciliation(
            skuId, redis, sku?.Stock ?? 0, sku is null ? default : new LoadId(sku.GateEpoch, sku.GateLoad), live, sku?.Sale?.Units,
            redis.UnsettledIds is null
                ? null
                : decided.Where(decision =>
                        decision.StockDeducted && decision.CommittedEpoch == redis.Epoch && !told.Contains(decision.OrderId))
                    .Sum(decision => (long)decision.Quantity),
            decided, [.. (ids ?? []).Where(id => !known.Contains(id))], unreadable)
        {
            SaleGone = gone,
            ClosedUnits = sku?.Sale?.ClosedUnits ?? 0,
        };
    }

    /// <summary>
    /// A part of too many unsettled orders: those whose last confirm is the oldest. What is repaired leaves their number, or is confirmed
    /// again, so each pass comes to later ones.
    /// </summary>
    private async Task<(IReadOnlyList<long>? Ids, string? Unreadable)> OldestAsync(long skuId, CancellationToken cancellationToken)
    {
        try
        {
            var before = time.GetUtcNow().AddMilliseconds(-options.Value.StuckAfterMs);
            var oldest = await recovery.ConfirmedBeforeAsync(new SkuKeys(skuId), before, cancellationToken);
            return (oldest.Select(order => order.OrderId).ToList(), null);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            return (null, exception.Message);
        }
    }

    private static Task<ProductSku?> SkuOfAsync(OrderingDbContext view, long skuId, CancellationToken cancellationToken) =>
        view.ProductSkus.AsNoTracking().Include(sku => sku.Sale).SingleOrDefaultAsync(sku => sku.Id == skuId, cancellationToken);
}
