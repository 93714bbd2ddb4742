using System.Globalization;
using System.Security.Claims;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.Limits;
using Seckill.Api.Requests;

namespace Seckill.Api.Orders;

/// <summary>The buyer's purchases: the list, and one order with the timeline of its hops.</summary>
public static class OrderHistoryEndpoints
{
    private const int TakeDefault = 20;
    private const int TakeMax = 50;

    public static IEndpointRouteBuilder MapOrderHistory(this IEndpointRouteBuilder routes)
    {
        var buyers = routes.MapGroup("/api/orders").RequireBuyer().WithTags("Orders")
            .AnswersBusyWhenServersFail();
        buyers.MapGet("", ListAsync)
            .NeedsSales()
            .WithName("Orders")
            .WithSummary("The buyer's orders and refusals, newest first; `before` takes the value from the last response.")
            .Produces<OrderListResponse>()
            .ProducesErrors(400, 401, 503)
            .LimitQueries();
        buyers.MapGet("/{order_id}", FindAsync)
            .WithName("Order")
            .WithSummary("One order with the times of its hops and its trace id; sku_id helps to find one that is still in transit.")
            .Produces<OrderView>()
            .ProducesErrors(400, 401, 404, 503)
            .LimitQueries();
        return routes;
    }

    private static async Task<IResult> ListAsync(
        ClaimsPrincipal user, OrderHistory history, MySqlReadLimiter limiter, string? before, string? take,
        CancellationToken cancellationToken)
    {
        if (!TakeParameter.TryRead(take, TakeDefault, TakeMax, out var count, out var error))
        {
            return error;
        }

        var beforeId = long.MaxValue;
        if (before is not null && !TryReadId(before, out beforeId))
        {
            return ErrorResult.BadRequest("before is not valid");
        }

        using var lease = await limiter.EnterAsync(user.UserId(), cancellationToken);
        if (!lease.IsAcquired)
        {
            return ErrorResult.Busy;
        }

        var orders = await history.ListAsync(user.UserId(), beforeId, count, cancellationToken);
        return TypedResults.Json(
            new OrderListResponse(orders, orders.Count == count ? orders[^1].OrderId : null), ApiJson.Web.OrderListResponse);
    }

    private static async Task<IResult> FindAsync(
        ClaimsPrincipal user, OrderHistory history, MySqlReadLimiter limiter, string order_id, string? sku_id,
        CancellationToken cancellationToken)
    {
        long skuId = 0;
        if (!TryReadId(order_id, out var orderId) || (sku_id is not null && !TryReadId(sku_id, out skuId)))
        {
            return ErrorResult.BadRequest("order_id or sku_id is not valid");
        }

        using var lease = await limiter.EnterAsync(user.UserId(), cancellationToken);
        if (!lease.IsAcquired)
        {
            return ErrorResult.Busy;
        }

        var order = await history.FindAsync(user.UserId(), orderId, sku_id is null ? null : skuId, cancellationToken);
        return order is null ? ErrorResult.NoOrder : TypedResults.Json(order, ApiJson.Web.OrderView);
    }

    private static bool TryReadId(string text, out long id) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id > 0;
}
