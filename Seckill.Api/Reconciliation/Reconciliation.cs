using System.Data;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Api.Reconciliation;

/// <summary>One SKU as Redis and MySQL have it at one moment.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Redis">Counter and reservations.</param>
/// <param name="MySqlStock">Units left in MySQL.</param>
/// <param name="MySqlLoad">Which load of the counter MySQL takes for the valid one.</param>
/// <param name="LiveUnits">Units in orders.</param>
/// <param name="Units">Units put on sale; null when nobody has said.</param>
/// <param name="CommittedUnsettledUnits">Units that MySQL has committed from this counter and Redis has not settled yet; null when there
/// are too many to look at.</param>
/// <param name="Decided">Unsettled orders on which MySQL has a verdict.</param>
/// <param name="Undecided">Unsettled orders of which MySQL knows nothing yet.</param>
/// <param name="Unreadable">Why nothing is known of Redis's side: what it holds for the SKU is not what belongs there, it does not answer,
/// or somebody keeps the SKU's row in MySQL locked.</param>
public sealed record SkuReconciliation(
    long SkuId, LedgerSnapshot Redis, long MySqlStock, LoadId MySqlLoad, long LiveUnits, long? Units, long? CommittedUnsettledUnits,
    IReadOnlyList<Settlement> Decided, IReadOnlyList<long> Undecided, string? Unreadable)
{
    /// <summary>Orders that one store has lost; looked for when the books do not balance.</summary>
    public LostOrders Lost { get; init; } = LostOrders.None;

    /// <summary>Whether MySQL has no sale of the SKU any more, though Redis holds something of it.</summary>
    public bool SaleGone { get; init; }

    /// <summary>Whether Redis has a valid counter at all.</summary>
    public bool Loaded => Redis.Load == MySqlLoad && !Redis.Closed;

    /// <summary>
    /// Redis stock + units held − units committed but not settled − MySQL stock: 0 in a healthy system at any moment, more when Redis
    /// offers units that MySQL has not, less when units have leaked. Null when it cannot be told.
    /// </summary>
    public long? Difference => Loaded && Redis.Stock is { } stock && CommittedUnsettledUnits is { } committed
        ? stock + Redis.Held - committed - MySqlStock
        : null;

    /// <summary>
    /// Units held − units of the reservations in the outbox; 0 in a healthy system, more when Redis has lost reservations or the outbox.
    /// The difference does not show that, because it relies on Redis's own total. Null when there are too many to look at.
    /// </summary>
    public long? HeldDifference => Loaded && Redis.ReservedUnits is { } reserved ? Redis.Held - reserved : null;

    /// <summary>
    /// MySQL stock + units in orders − units put on sale; 0 in a healthy system. Null when it is not known how many were put on sale.
    /// </summary>
    public long? StoreDifference => Units is { } units ? MySqlStock + LiveUnits - units : null;

    internal BooksState State => new(Difference, HeldDifference, StoreDifference, Redis.Load, MySqlLoad);

    /// <summary>When the oldest unsettled reservation was made.</summary>
    public DateTimeOffset? OldestUnsettled => Redis.UnsettledIds is { Count: > 0 } ids ? SnowflakeSequence.TimeOf(ids.Min()) : null;
}

/// <summary>
/// Compares Redis and MySQL exactly, while the sale runs. Under the SKU's row lock nothing can be committed; in that moment a read view is
/// opened in MySQL and a snapshot taken in Redis by one script. Then the lock is released, and the slow part is read from the view.
/// </summary>
public sealed class ReconciliationReader(IServiceScopeFactory scopes, StockRecovery recovery, LossWatch losses)
{
    /// <summary>The snapshot for a SKU that Redis cannot read.</summary>
    private static readonly LedgerSnapshot Nothing = new(null, null, 0, 0, 0, SameServer: false, Closed: false, UnsettledIds: null);

    /// <summary>Null when MySQL has no sale of this SKU and Redis holds nothing of it.</summary>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<SkuReconciliation?> ReadAsync(long skuId, CancellationToken cancellationToken)
    {
        var found = await CompareAsync(skuId, cancellationToken);
        // A sale may have been deleted together with its orders, so missing ones are not looked for.
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
                // One SKU's keys, shard or row must not hide the others from an operator, nor MySQL's side of this one.
                unreadable = exception.Message;
                sku = await SkuOfAsync(view, skuId, cancellationToken);
            }
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
        var decided = redis.UnsettledIds is null ? null : await StoreDecisions.ReadAsync(view, redis.UnsettledIds, cancellationToken);
        var known = decided?.Select(decision => decision.OrderId).ToHashSet();
        // Orders that are published again because MySQL lost them were deducted from the counter long ago.
        var told = redis.ToldIds?.ToHashSet() ?? [];
        return new SkuReconciliation(
            skuId, redis, sku?.Stock ?? 0, sku is null ? default : new LoadId(sku.GateEpoch, sku.GateLoad), live, sku?.Sale?.Units,
            decided?.Where(decision =>
                    decision.StockDeducted && decision.CommittedEpoch == redis.Epoch && !told.Contains(decision.OrderId))
                .Sum(decision => (long)decision.Quantity),
            decided ?? [],
            known is null ? [] : [.. redis.UnsettledIds!.Where(id => !known.Contains(id))],
            unreadable)
        {
            SaleGone = gone,
        };
    }

    private static Task<ProductSku?> SkuOfAsync(OrderingDbContext view, long skuId, CancellationToken cancellationToken) =>
        view.ProductSkus.AsNoTracking().Include(sku => sku.Sale).SingleOrDefaultAsync(sku => sku.Id == skuId, cancellationToken);
}
