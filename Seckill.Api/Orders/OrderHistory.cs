using System.Diagnostics;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Orders;

/// <summary>
/// A buyer's orders from MySQL, completed from Redis: orders in transit, and for a single order also times such as when its outcome was
/// published. Throws the exceptions of the servers' clients.
/// </summary>
public sealed partial class OrderHistory(
    StockLedger ledger, SaleCatalogue catalogue, IServiceScopeFactory scopes, TimeProvider time, ILogger<OrderHistory> logger)
{
    /// <summary>
    /// Most SKUs on sale that are searched for an order in transit; if there are more, only the page that made the click finds it.
    /// </summary>
    private const int SkusAskedMax = 64;

    private readonly LogPace _redisFailures = new(time);

    /// <summary>Orders and refusals older than <paramref name="beforeId"/>, newest first.</summary>
    public async Task<IReadOnlyList<OrderView>> ListAsync(long userId, long beforeId, int countMax, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var orders = await context.Orders.AsNoTracking().Include(order => order.Items)
            .Where(order => order.UserId == userId && order.Id < beforeId)
            .OrderByDescending(order => order.Id).Take(countMax).ToListAsync(cancellationToken);
        var rejections = await context.OrderRejections.AsNoTracking()
            .Where(rejection => rejection.UserId == userId && rejection.OrderId < beforeId)
            .OrderByDescending(rejection => rejection.OrderId).Take(countMax).ToListAsync(cancellationToken);
        var stored = orders.Where(order => order.Items.Count > 0).Select(Of).Concat(rejections.Select(Of)).ToList();
        var onTheirWay = beforeId == long.MaxValue ? await OnTheirWayAsync(userId, cancellationToken) : [];
        return [.. stored.Concat(onTheirWay.ExceptBy(stored.Select(view => view.OrderId), view => view.OrderId))
            .OrderByDescending(view => view.Timeline.ClickedAtMs)
            .ThenByDescending(view => long.Parse(view.OrderId, CultureInfo.InvariantCulture)).Take(countMax)];
    }

    /// <summary>
    /// One order of the buyer's; null when there is none. <paramref name="skuId"/> helps to find an order that MySQL does not have yet.
    /// </summary>
    public async Task<OrderView?> FindAsync(long userId, long orderId, long? skuId, CancellationToken cancellationToken)
    {
        var stored = await FindStoredAsync(userId, orderId, cancellationToken);
        var sku = stored is null ? skuId : long.Parse(stored.SkuId, CultureInfo.InvariantCulture);
        if (sku is null)
        {
            return stored;
        }

        var keys = new SkuKeys(sku.Value);
        Reservation? reservation;
        try
        {
            reservation = await ledger.FindAsync(keys, orderId, cancellationToken);
        }
        catch (Exception exception) when (stored is not null && ServerFailures.IsOf(exception))
        {
            // MySQL has the order; only some times are missing.
            NoteRedisFailed(exception);
            return stored;
        }

        if (reservation is null || reservation.UserId != userId)
        {
            return stored;
        }

        if (stored is not null)
        {
            return stored with
            {
                Timeline = stored.Timeline with
                {
                    ReservedAtMs = reservation.ReservedAtMs,
                    ConfirmedAtMs = reservation.ConfirmedAtMs,
                    ToldAtMs = reservation.SettledAtMs,
                },
            };
        }

        var confirmedAtMs = reservation.ConfirmedAtMs ?? await ledger.ConfirmedAtMsAsync(keys, orderId, cancellationToken);
        return Of(keys.SkuId, reservation with { ConfirmedAtMs = confirmedAtMs });
    }

    /// <summary>Orders that are in Redis but not in MySQL yet; none when Redis does not answer.</summary>
    private async Task<IReadOnlyList<OrderView>> OnTheirWayAsync(long userId, CancellationToken cancellationToken)
    {
        var latest = await Task.WhenAll(catalogue.NewestSkuIds(SkusAskedMax).Select(async skuId =>
            (SkuId: skuId, Reservation: await TryFindAsync(new SkuKeys(skuId), userId, cancellationToken))));
        return [.. latest.Where(found => found.Reservation is { State: OrderState.Pending })
            .Select(found => Of(found.SkuId, found.Reservation!))];
    }

    /// <summary>An unreadable SKU, or a shard that is down, does not hide orders of other SKUs.</summary>
    private async Task<Reservation?> TryFindAsync(SkuKeys sku, long userId, CancellationToken cancellationToken)
    {
        try
        {
            return await ledger.FindAsync(sku, userId, null, cancellationToken);
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception) || exception is FormatException)
        {
            NoteRedisFailed(exception);
            return null;
        }
    }

    private async Task<OrderView?> FindStoredAsync(long userId, long orderId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var order = await context.Orders.AsNoTracking().Include(order => order.Items)
            .SingleOrDefaultAsync(order => order.Id == orderId && order.UserId == userId, cancellationToken);
        if (order is { Items.Count: > 0 })
        {
            return Of(order);
        }

        var rejection = await context.OrderRejections.AsNoTracking()
            .SingleOrDefaultAsync(rejection => rejection.OrderId == orderId && rejection.UserId == userId, cancellationToken);
        return rejection is null ? null : Of(rejection);
    }

    private static OrderView Of(Order order)
    {
        var item = order.Items[0];
        return new OrderView(
            Text(order.Id), Text(item.SkuId), item.Quantity, "SUCCESS", order.OrderSn, null, PaymentOf(order.Status), item.Title,
            item.Image, item.Price, order.TotalAmount, order.ClientOrderNo, order.TraceId.Length == 0 ? null : order.TraceId,
            new OrderTimeline(
                ClickedAtMs(order.Id), Milliseconds(order.ReservedAt), null, Milliseconds(order.PickedUpAt), Milliseconds(order.CreatedAt),
                null));
    }

    private OrderView Of(long skuId, Reservation reservation)
    {
        var status = OrderStatusReader.ToResponse(skuId, reservation);
        var sale = catalogue.Find(skuId);
        return new OrderView(
            status.OrderId, status.SkuId, status.Quantity, status.Status, status.OrderSn, status.Reason, null, sale?.Title, sale?.Image,
            Offer.TryParse(reservation.Offer, out var offer) ? offer.Price : null, status.Amount, reservation.ClientOrderNo,
            TraceIdOf(reservation.TraceParent),
            new OrderTimeline(
                ClickedAtMs(reservation.OrderId), reservation.ReservedAtMs, reservation.ConfirmedAtMs, null, null,
                reservation.SettledAtMs));
    }

    private static OrderView Of(OrderRejection rejection) => new(
        Text(rejection.OrderId), Text(rejection.SkuId), rejection.Quantity, "FAILED", null, rejection.Reason, null, null, null, null, null,
        rejection.ClientOrderNo, rejection.TraceId.Length == 0 ? null : rejection.TraceId,
        new OrderTimeline(ClickedAtMs(rejection.OrderId), null, null, null, Milliseconds(rejection.CreatedAt), null));

    private static string PaymentOf(OrderStatus status) => status switch
    {
        OrderStatus.PendingPayment => "pending",
        OrderStatus.Paid => "paid",
        OrderStatus.Closed => "closed",
        // A row may have been written by another program.
        _ => "unknown",
    };

    private static long ClickedAtMs(long orderId) => SnowflakeSequence.TimeOf(orderId).ToUnixTimeMilliseconds();

    private static string? TraceIdOf(string? traceParent) =>
        ActivityContext.TryParse(traceParent, null, out var trace) ? trace.TraceId.ToHexString() : null;

    private static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);

    private static long Milliseconds(DateTime utc) => new DateTimeOffset(utc, TimeSpan.Zero).ToUnixTimeMilliseconds();

    private void NoteRedisFailed(Exception exception)
    {
        if (_redisFailures.Take() is { } count)
        {
            LogRedisFailed(exception.Message, count);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "A buyer's orders could not be completed from Redis: {Reason}; showing MySQL's part "
            + "({Count} times since the last such line)")]
    private partial void LogRedisFailed(string reason, long count);
}
