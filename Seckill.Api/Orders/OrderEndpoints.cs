using System.Diagnostics;
using System.Globalization;
using System.Security.Claims;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.Gate;
using Seckill.Api.Limits;
using Seckill.Api.Requests;
using Seckill.Api.Tokens;
using Seckill.Ordering.Contract;

namespace Seckill.Api.Orders;

/// <summary>The buyer's two calls: place an order, and query its status.</summary>
public static class OrderEndpoints
{
    public static IEndpointRouteBuilder MapOrders(this IEndpointRouteBuilder routes)
    {
        var buyers = routes.MapGroup("/api").RequireBuyer().WithTags("Orders");

        // Resolved once here, so that a request needs no service scope.
        var gate = routes.ServiceProvider.GetRequiredService<OrderGate>();
        var catalogue = routes.ServiceProvider.GetRequiredService<SaleCatalogue>();
        var tokens = routes.ServiceProvider.GetRequiredService<PurchaseTokens>();
        var slots = routes.ServiceProvider.GetRequiredService<PurchaseSlots>();
        Delegate place = (HttpContext http) => PlaceAsync(http, gate, catalogue, tokens, slots);
#pragma warning disable RDG002 // The generator does not see through the variable; without it, the overload would ignore the result.
        buyers.MapPost("/seckill/orders", place)
#pragma warning restore RDG002
            .WithName("PlaceOrder")
            .WithSummary("Buys units of a SKU on sale. The answer \"queued\" is a promise of an outcome, not of success.")
            .Accepts<PlaceOrderRequest>("application/json")
            .Produces<PlaceOrderResponse>()
            .ProducesErrors(400, 401, 403, 404, 408, 409, 413, 415, 503)
            .LimitPurchases(routes.ServiceProvider);

        buyers.MapGet("/orders/seckill/status", StatusAsync)
            .WithName("OrderStatus")
            .WithSummary("The outcome of the buyer's newest order of a SKU, or of one click.")
            .Produces<OrderStatusResponse>()
            .ProducesErrors(400, 401, 404, 503)
            .LimitQueries();
        return routes;
    }

    private static async Task<IResult> PlaceAsync(
        HttpContext http, OrderGate gate, SaleCatalogue catalogue, PurchaseTokens tokens, PurchaseSlots slots)
    {
        var userId = http.User.UserId();
        if (slots.TryEnter(userId) is not { } own)
        {
            return LimitRegistration.TooManyAtOnce();
        }

        using var _ = own;
        var (request, malformed) = await JsonBody.ReadAsync(
            http.Request, ApiJson.Web.PlaceOrderRequest, http.RequestAborted, JsonBody.OrderBytesMax);
        if (request is null)
        {
            return malformed!;
        }

        if (request.SkuId is not { } skuId)
        {
            return ErrorResult.BadRequest("sku_id is required");
        }

        if (request.Quantity is not { } quantity)
        {
            return ErrorResult.BadRequest("quantity is required");
        }

        if (OrderLimits.Validate(userId, skuId, quantity, request.ClientOrderNo) is { } fault)
        {
            return ErrorResult.BadRequest(fault);
        }

        var tokenFault = PurchaseTokenEndpoints.Validate(http, catalogue, tokens, userId, skuId, request.PurchaseToken);
        if (tokenFault is not null && tokenFault != ErrorResult.TokenExpired)
        {
            return tokenFault;
        }

        using var place = await slots.EnterAsync(http.RequestAborted);
        if (place is { IsAcquired: false })
        {
            return ErrorResult.Busy;
        }

        // The token may have expired since the click was accepted; its repeat is still the same click.
        var placement = tokenFault is null
            ? await gate.PlaceAsync(userId, skuId, quantity, request.ClientOrderNo, request.Price)
            : await gate.FindRepeatAsync(userId, skuId, quantity, request.ClientOrderNo);
        return placement is { } known ? ResultOf(known, skuId, quantity, request.ClientOrderNo) : tokenFault!;
    }

    private static IResult ResultOf(in Placement placement, long skuId, int quantity, string? clientOrderNo) =>
        placement.Outcome switch
        {
            PlaceOutcome.Queued => Queued(placement.OrderId, skuId, clientOrderNo, placement.UnitPrice * quantity),
            PlaceOutcome.SoldOut => ErrorResult.SoldOut,
            PlaceOutcome.LimitReached => ErrorResult.BadRequest(
                "limit reached", string.Create(CultureInfo.InvariantCulture, $"One buyer may have {placement.Value} of this SKU.")),
            PlaceOutcome.NotStarted => ErrorResult.BadRequest("not started", $"The sale starts at {Time(placement.Value)}."),
            PlaceOutcome.Ended => ErrorResult.BadRequest("ended", $"The sale ended at {Time(placement.Value)}."),
            PlaceOutcome.Paused => ErrorResult.Paused,
            PlaceOutcome.UnknownSku => ErrorResult.UnknownSku,
            PlaceOutcome.NumberUsed => ErrorResult.BadRequest(
                "number used", "client_order_no stands for an order of another quantity; a new order needs a new one."),
            PlaceOutcome.PriceChanged => ErrorResult.Conflict(
                "price changed", string.Create(CultureInfo.InvariantCulture, $"A unit costs {placement.UnitPrice:F2} now.")),
            PlaceOutcome.WarmingUp => ErrorResult.WarmingUp,
            PlaceOutcome.Busy => ErrorResult.Busy,
            _ => throw new UnreachableException(),
        };

    internal static JsonAnswer<PlaceOrderResponse> Queued(long orderId, long skuId, string? clientOrderNo, decimal? amount)
    {
        var id = orderId.ToString(CultureInfo.InvariantCulture);
        var url = clientOrderNo is null
            ? string.Create(CultureInfo.InvariantCulture, $"/api/orders/seckill/status?sku_id={skuId}")
            : string.Create(CultureInfo.InvariantCulture, $"/api/orders/seckill/status?sku_id={skuId}&client_order_no={clientOrderNo}");
        return new JsonAnswer<PlaceOrderResponse>(
            new PlaceOrderResponse("queued", id, id, "PENDING", url, amount), ApiJson.Web.PlaceOrderResponse);
    }

    private static async Task<IResult> StatusAsync(
        ClaimsPrincipal user, OrderStatusReader reader, string? sku_id, string? client_order_no, CancellationToken cancellationToken)
    {
        if (!long.TryParse(sku_id, NumberStyles.None, CultureInfo.InvariantCulture, out var skuId))
        {
            return ErrorResult.BadRequest(sku_id is null ? "sku_id is required" : "sku_id is not valid");
        }

        if (OrderLimits.Validate(user.UserId(), skuId, 1, client_order_no) is { } fault)
        {
            return ErrorResult.BadRequest(fault);
        }

        var (status, error) = await reader.ReadAsync(user.UserId(), skuId, client_order_no, cancellationToken);
        return status is null ? error! : TypedResults.Json(status, ApiJson.Web.OrderStatusResponse);
    }

    private static string Time(long milliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("u", CultureInfo.InvariantCulture);
}
