using System.Globalization;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.Orders;

namespace Seckill.Api.OrderSearch;

/// <summary>One order as operators see it: the buyer's view and the buyer's id.</summary>
public sealed record FoundOrder(
    string OrderId, string? OrderSn, string UserId, string SkuId, int Quantity, string? ClientOrderNo, string Status, string? Reason,
    string? Payment, string? Title, decimal? Price, decimal? TotalAmount, string? TraceId, OrderTimeline Timeline)
{
    internal static FoundOrder Of(long userId, OrderView order) => new(
        order.OrderId, order.OrderSn, userId.ToString(CultureInfo.InvariantCulture), order.SkuId, order.Quantity, order.ClientOrderNo,
        order.Status, order.Reason, order.Payment, order.Title, order.Price, order.TotalAmount, order.TraceId, order.Timeline);
}

/// <summary>
/// The orders, newest first. <c>unsearched_skus</c>: how many SKUs Redis was not searched for; orders of theirs that MySQL does not
/// have yet may be missing.
/// </summary>
public sealed record OrderSearchResponse(IReadOnlyList<FoundOrder> Items, int UnsearchedSkus);

public static class OrderSearchEndpoints
{
    public static IEndpointRouteBuilder MapOrderSearch(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/ops/orders", FindAsync)
            .RequireAuthorization(LoginState.OperatorPolicy)
            .Audited()
            .AnswersBusyWhenServersFail()
            .NeedsSales()
            .WithName("OrderSearch")
            .WithTags("Operations")
            .WithSummary(
                "Orders by order id or number, user id, click (`7:front-0001`, any age) or a click's number alone (among the newest).")
            .Produces<OrderSearchResponse>()
            .ProducesErrors(400, 401, 403, 503);
        return routes;
    }

    private static async Task<IResult> FindAsync(
        OperatorCall call, AuditLog audit, OrderFinder finder, string? q, CancellationToken cancellationToken)
    {
        if (OrderQuery.Parse(q) is not { } query)
        {
            return ErrorResult.BadRequest("q must be an order id or number, a user id, or a click's number");
        }

        var found = await finder.FindAsync(query, cancellationToken);
        // Audited even when nothing was found: trying out numbers reveals something too.
        await audit.WriteAsync(
            call, "orders.read", query.Text,
            string.Create(CultureInfo.InvariantCulture, $"{found.Items.Count} orders; buyers: ")
                + string.Join(' ', found.Items.Select(order => order.UserId).Distinct()),
            cancellationToken);
        return TypedResults.Json(found, ApiJson.Web.OrderSearchResponse);
    }
}
