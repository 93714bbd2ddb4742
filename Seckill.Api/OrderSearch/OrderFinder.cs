using System.Runtime.ExceptionServices;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Api.Orders;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Api.OrderSearch;

/// <summary>
/// Finds orders for operators by anything that buyers can quote: the order's id or number, their user id, the number of a click. Searches
/// MySQL and, for the SKUs on sale, Redis, which also has orders that MySQL does not have yet.
/// </summary>
internal sealed partial class OrderFinder(
    OrderHistory history, SaleCatalogue catalogue, StockLedger ledger, IServiceScopeFactory scopes, ILogger<OrderFinder> logger)
{
    public const int FoundMax = 50;

    /// <summary>SKUs on sale that are searched in Redis, newest ids first.</summary>
    private const int SkusAskedMax = 500;

    /// <summary>
    /// The index on clicks begins with the buyer: a click's number alone is searched for among this many of the newest orders.
    /// </summary>
    private const int OrdersScannedMax = 200_000;

    /// <summary>Where an order was found; the SKU is known when it comes from Redis.</summary>
    private sealed record Trail(long OrderId, long UserId, long? SkuId = null);

    /// <summary>What one SKU's keys in Redis have, or why they could not be searched.</summary>
    private readonly record struct GateReply(long SkuId, IReadOnlyList<Trail> Trails, string? Error);

    public async Task<OrderSearchResponse> FindAsync(OrderQuery query, CancellationToken cancellationToken)
    {
        List<Trail> trails;
        HashSet<long> unsearched;
        await using (var scope = scopes.CreateAsyncScope())
        {
            var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
            trails = await InStoreAsync(context, query, cancellationToken);
            var replies = await InGateAsync(query, cancellationToken);
            trails.AddRange(replies.SelectMany(reply => reply.Trails));
            unsearched = [.. replies.Where(reply => reply.Error is not null).Select(reply => reply.SkuId)];
            if (trails.Count == 0)
            {
                trails = await ByClickAloneAsync(context, query.Text, cancellationToken);
            }
        }

        var found = new List<FoundOrder>();
        Exception? unreadable = null;
        // An order found in both stores counts once; the entry with a SKU is kept.
        foreach (var trail in trails.GroupBy(trail => trail.OrderId).Select(same => same.MaxBy(trail => trail.SkuId ?? 0)!)
            .OrderByDescending(trail => trail.OrderId).Take(FoundMax))
        {
            try
            {
                if (await history.FindAsync(trail.UserId, trail.OrderId, trail.SkuId, cancellationToken) is { } order)
                {
                    found.Add(FoundOrder.Of(trail.UserId, order));
                }
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                // Data in Redis that cannot be read at an order hide no other order.
                LogOrderUnreadable(trail.OrderId, exception.Message);
                unreadable = exception;
                if (trail.SkuId is { } skuId)
                {
                    unsearched.Add(skuId);
                }
            }
        }

        if (found.Count == 0 && unreadable is not null)
        {
            // There is an order, so the answer must not be that there is none.
            ExceptionDispatchInfo.Throw(unreadable);
        }

        var unasked = Math.Max(0, catalogue.NewestSkuIds(int.MaxValue).Count - SkusAskedMax);
        return new OrderSearchResponse(found, unsearched.Count + unasked);
    }

    private static async Task<List<Trail>> InStoreAsync(OrderingDbContext context, OrderQuery query, CancellationToken cancellationToken)
    {
        var trails = await context.Orders.Where(order => order.OrderSn == query.Text)
            .Select(order => new Trail(order.Id, order.UserId, null)).ToListAsync(cancellationToken);
        if (query.Id is { } id)
        {
            trails.AddRange(await context.Orders.Where(order => order.Id == id)
                .Select(order => new Trail(order.Id, order.UserId, null)).ToListAsync(cancellationToken));
            trails.AddRange(await context.OrderRejections.Where(rejection => rejection.OrderId == id)
                .Select(rejection => new Trail(rejection.OrderId, rejection.UserId, null)).ToListAsync(cancellationToken));
            trails.AddRange(await OfBuyerAsync(context, id, null, cancellationToken));
        }

        if (query.Click is var (userId, number))
        {
            trails.AddRange(await OfBuyerAsync(context, userId, number, cancellationToken));
        }

        return trails;
    }

    private static async Task<List<Trail>> OfBuyerAsync(
        OrderingDbContext context, long userId, string? click, CancellationToken cancellationToken)
    {
        var orders = await context.Orders.Where(order => order.UserId == userId && (click == null || order.ClientOrderNo == click))
            .OrderByDescending(order => order.Id).Take(FoundMax)
            .Select(order => new Trail(order.Id, order.UserId, null)).ToListAsync(cancellationToken);
        var rejections = await context.OrderRejections
            .Where(rejection => rejection.UserId == userId && (click == null || rejection.ClientOrderNo == click))
            .OrderByDescending(rejection => rejection.OrderId).Take(FoundMax)
            .Select(rejection => new Trail(rejection.OrderId, rejection.UserId, null)).ToListAsync(cancellationToken);
        return [.. orders, .. rejections];
    }

    private static async Task<List<Trail>> ByClickAloneAsync(OrderingDbContext context, string click, CancellationToken cancellationToken)
    {
        var orders = await context.Orders.OrderByDescending(order => order.Id).Take(OrdersScannedMax)
            .Select(order => new { order.Id, order.UserId, order.ClientOrderNo }).Where(order => order.ClientOrderNo == click)
            .OrderByDescending(order => order.Id).Take(FoundMax)
            .Select(order => new Trail(order.Id, order.UserId, null)).ToListAsync(cancellationToken);
        var rejections = await context.OrderRejections.OrderByDescending(rejection => rejection.OrderId).Take(OrdersScannedMax)
            .Select(rejection => new { rejection.OrderId, rejection.UserId, rejection.ClientOrderNo })
            .Where(rejection => rejection.ClientOrderNo == click)
            .OrderByDescending(rejection => rejection.OrderId).Take(FoundMax)
            .Select(rejection => new Trail(rejection.OrderId, rejection.UserId, null)).ToListAsync(cancellationToken);
        return [.. orders, .. rejections];
    }

    /// <summary>
    /// An unreadable SKU, or a shard that is down, hides no orders of other SKUs. If Redis is down, the result is MySQL's orders alone.
    /// </summary>
    private async Task<IReadOnlyList<GateReply>> InGateAsync(OrderQuery query, CancellationToken cancellationToken)
    {
        var replies = await Task.WhenAll(catalogue.NewestSkuIds(SkusAskedMax)
            .Select(skuId => TryInGateAsync(new SkuKeys(skuId), query, cancellationToken)));
        if (Array.FindAll(replies, reply => reply.Error is not null) is [var failed, ..] all)
        {
            LogNotSearched(all.Length, failed.SkuId, failed.Error!);
        }

        return replies;
    }

    private async Task<GateReply> TryInGateAsync(SkuKeys sku, OrderQuery query, CancellationToken cancellationToken)
    {
        try
        {
            return new GateReply(sku.SkuId, await InGateAsync(sku, query, cancellationToken), null);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            return new GateReply(sku.SkuId, [], exception.Message);
        }
    }

    private async Task<IReadOnlyList<Trail>> InGateAsync(SkuKeys sku, OrderQuery query, CancellationToken cancellationToken)
    {
        var found = await Task.WhenAll(
            query.Id is { } id ? ledger.FindAsync(sku, id, cancellationToken) : None,
            // A buyer's newest order of this SKU; older ones still in transit are found by their id.
            query.Id is { } userId ? ledger.FindAsync(sku, userId, null, cancellationToken) : None,
            query.Click is var (buyer, number) ? ledger.FindAsync(sku, buyer, number, cancellationToken) : None);
        return [.. found.OfType<Reservation>().Select(reservation => new Trail(reservation.OrderId, reservation.UserId, sku.SkuId))];
    }

    private static Task<Reservation?> None { get; } = Task.FromResult<Reservation?>(null);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "The orders in Redis of {Count} SKUs, including {SkuId}, were not searched: {Reason}")]
    private partial void LogNotSearched(int count, long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Order {OrderId} was found, but not all of it can be read: {Reason}")]
    private partial void LogOrderUnreadable(long orderId, string reason);
}
