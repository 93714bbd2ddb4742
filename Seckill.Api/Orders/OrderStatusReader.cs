using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Orders;

/// <summary>
/// Reads an order's outcome: from Redis, or from MySQL through <see cref="MySqlReadLimiter"/> when Redis no longer has it.
/// </summary>
public sealed partial class OrderStatusReader(
    StockLedger ledger, ClickLookUp clicks, SaleCatalogue catalogue, MySqlReadLimiter limiter, IServiceScopeFactory scopes,
    TimeProvider time, ILogger<OrderStatusReader> logger)
{
    /// <summary>
    /// Age up to which Redis's "pending" is returned without a query to MySQL, ms. Behind a long queue orders get older than that, and
    /// MySQL must not be queried for all of them.
    /// </summary>
    private const int PendingTrustedMs = 10_000;

    /// <summary>How long a query that Redis has answered also waits for MySQL, ms.</summary>
    private const int CatchUpMsMax = 250;

    private readonly TimeProvider _time = time;
    private readonly LogPace _redisFailures = new(time);
    private readonly LogPace _storeFailures = new(time);

    public async Task<(OrderStatusResponse? Status, ErrorResult? Error)> ReadAsync(
        long userId, long skuId, string? clientOrderNo, CancellationToken cancellationToken)
    {
        try
        {
            if (await ledger.FindAsync(new SkuKeys(skuId), userId, clientOrderNo, cancellationToken) is { } reservation)
            {
                var caughtUp = await CatchUpAsync(userId, skuId, clientOrderNo, reservation, cancellationToken);
                return (caughtUp ?? ToResponse(skuId, reservation), null);
            }

            // MySQL is not queried for unknown SKUs.
            if (catalogue.Loaded && !catalogue.Knows(skuId))
            {
                return (null, ErrorResult.UnknownSku);
            }

            if (await clicks.HasNeverHeardOfAsync(new SkuKeys(skuId), userId, clientOrderNo, cancellationToken))
            {
                return (null, ErrorResult.NoOrder);
            }
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception))
        {
            if (_redisFailures.Take() is { } count)
            {
                LogRedisFailed(exception.Message, count);
            }
        }

        using var lease = await limiter.EnterAsync(userId, cancellationToken);
        if (!lease.IsAcquired)
        {
            return (null, ErrorResult.Busy);
        }

        try
        {
            var status = await ReadStoreAsync(userId, skuId, clientOrderNo, cancellationToken);
            return (status, status is null ? ErrorResult.NoOrder : null);
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception))
        {
            NoteStoreFailed(exception);
            return (null, ErrorResult.Busy);
        }
    }

    /// <summary>
    /// Redis may have lost a decision with its latest writes: an order that has been pending for a long time is looked up in MySQL, unless
    /// other reads wait or MySQL does not answer at once. Null when Redis's state applies.
    /// </summary>
    private async Task<OrderStatusResponse?> CatchUpAsync(
        long userId, long skuId, string? clientOrderNo, Reservation reservation, CancellationToken cancellationToken)
    {
        var age = _time.GetUtcNow() - DateTimeOffset.FromUnixTimeMilliseconds(reservation.ReservedAtMs);
        if (reservation.State != OrderState.Pending || age.TotalMilliseconds < PendingTrustedMs)
        {
            return null;
        }

        var lease = limiter.TryEnter();
        if (!lease.IsAcquired)
        {
            lease.Dispose();
            return null;
        }

        try
        {
            var status = await ReadAndLeaveAsync().WaitAsync(TimeSpan.FromMilliseconds(CatchUpMsMax), _time, cancellationToken);
            return status?.OrderId == Text(reservation.OrderId) ? status : null;
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception))
        {
            NoteStoreFailed(exception);
            return null;
        }

        // A server that hangs blocks the call even after its token is cancelled, and with it the place in the limiter.
        async Task<OrderStatusResponse?> ReadAndLeaveAsync()
        {
            using (lease)
            {
                return await ReadStoreAsync(userId, skuId, clientOrderNo, cancellationToken);
            }
        }
    }

    private async Task<OrderStatusResponse?> ReadStoreAsync(
        long userId, long skuId, string? clientOrderNo, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var orders =
            from item in context.OrderItems
            where item.UserId == userId && item.SkuId == skuId
            join order in context.Orders on item.OrderId equals order.Id
            where clientOrderNo == null || order.ClientOrderNo == clientOrderNo
            orderby order.Id descending
            select new { order.Id, order.OrderSn, item.Quantity, order.ReservedAt, order.CreatedAt, order.TotalAmount };
        var rejections =
            from rejection in context.OrderRejections
            where rejection.UserId == userId && rejection.SkuId == skuId
                && (clientOrderNo == null || rejection.ClientOrderNo == clientOrderNo)
            orderby rejection.OrderId descending
            select rejection;
        var found = await orders.AsNoTracking().FirstOrDefaultAsync(cancellationToken);
        var rejected = await rejections.AsNoTracking().FirstOrDefaultAsync(cancellationToken);

        // An existing order outweighs a refusal of the same click; otherwise the newest one counts.
        if (found is not null && (clientOrderNo is not null || rejected is null || found.Id > rejected.OrderId))
        {
            return new OrderStatusResponse(
                "SUCCESS", Text(found.Id), Text(skuId), found.Quantity, found.OrderSn, null, Milliseconds(found.ReservedAt),
                Milliseconds(found.CreatedAt), found.TotalAmount);
        }

        return rejected is null
            ? null
            : new OrderStatusResponse(
                "FAILED", Text(rejected.OrderId), Text(skuId), rejected.Quantity, null, rejected.Reason, null,
                Milliseconds(rejected.CreatedAt));
    }

    internal static OrderStatusResponse ToResponse(long skuId, Reservation reservation) => new(
        reservation.State switch
        {
            OrderState.Pending => "PENDING",
            OrderState.Success => "SUCCESS",
            _ => "FAILED",
        },
        Text(reservation.OrderId),
        Text(skuId),
        reservation.Quantity,
        reservation.State == OrderState.Success ? reservation.Detail : null,
        reservation.State == OrderState.Failed ? reservation.Detail : null,
        reservation.ReservedAtMs,
        reservation.SettledAtMs,
        Offer.TryParse(reservation.Offer, out var offer) ? offer.Price * reservation.Quantity : null);

    private static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);

    private static long Milliseconds(DateTime utc) => new DateTimeOffset(utc, TimeSpan.Zero).ToUnixTimeMilliseconds();

    private void NoteStoreFailed(Exception exception)
    {
        if (_storeFailures.Take() is { } count)
        {
            LogStoreFailed(exception.Message, count);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Redis could not return an order's status: {Reason}; querying MySQL ({Count} times since the last such line)")]
    private partial void LogRedisFailed(string reason, long count);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "MySQL could not return an order's status: {Reason} ({Count} times since the last such line)")]
    private partial void LogStoreFailed(string reason, long count);
}
