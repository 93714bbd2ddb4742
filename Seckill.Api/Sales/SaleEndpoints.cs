using System.Globalization;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Api.Requests;

namespace Seckill.Api.Sales;

/// <summary>The operators' calls on sales, before and while they run.</summary>
public static class SaleEndpoints
{
    private static readonly ErrorResult WrongId = ErrorResult.BadRequest("sku_id is not valid");

    public static IServiceCollection AddSales(this IServiceCollection services)
    {
        services.AddSingleton<SaleRecords>();
        services.AddSingleton<SaleOperations>();
        return services;
    }

    public static IEndpointRouteBuilder MapSales(this IEndpointRouteBuilder routes)
    {
        var sales = routes.MapGroup("/api/ops/sales")
            .RequireAuthorization(LoginState.OperatorPolicy)
            .Audited()
            .AnswersBusyWhenServersFail()
            .WithTags("Operations");

        sales.MapGet("", ListAsync)
            .WithName("Sales")
            .WithSummary(
                $"The sales with their stock in MySQL and in Redis, read fresh: at most {SaleRecords.SalesMax}, those that end last.")
            .Produces<OperatorSaleList>()
            .ProducesErrors(401, 403, 503);
        sales.MapPost("", CreateAsync)
            .WithName("CreateSale")
            .WithSummary("Puts a new product with one SKU on sale.")
            .Accepts<CreateSaleRequest>("application/json")
            .Produces<OperatorSale>(StatusCodes.Status201Created)
            .ProducesErrors(400, 401, 403, 409, 413, 415, 503);
        sales.MapPut("/{sku_id}", EditAsync)
            .WithName("EditSale")
            .WithSummary("Changes title, prices, limit or window. Orders already placed keep the price the buyer was shown.")
            .Accepts<EditSaleRequest>("application/json")
            .Produces<OperatorSale>()
            .ProducesErrors(400, 401, 403, 404, 413, 415, 503);
        sales.MapPost("/{sku_id}/pause", PauseAsync)
            .WithName("PauseSale")
            .WithSummary("Stops accepting orders; when it responds, the gate is closed. Orders in transit continue.")
            .Produces<OperatorSale>()
            .ProducesErrors(400, 401, 403, 404, 503);
        sales.MapPost("/{sku_id}/resume", ResumeAsync)
            .WithName("ResumeSale")
            .WithSummary("Accepts orders again.")
            .Produces<OperatorSale>()
            .ProducesErrors(400, 401, 403, 404, 503);
        sales.MapPost("/{sku_id}/stock", AddStockAsync)
            .WithName("AddStock")
            .WithSummary("Puts more units on sale, even while it runs. units_before makes a repeated request harmless.")
            .Accepts<AddStockRequest>("application/json")
            .Produces<OperatorSale>()
            .ProducesErrors(400, 401, 403, 404, 409, 413, 415, 503);
        return routes;
    }

    private static async Task<IResult> ListAsync(SaleRecords records, TimeProvider time, CancellationToken cancellationToken) =>
        TypedResults.Json(
            new OperatorSaleList(time.GetUtcNow().ToUnixTimeMilliseconds(), await records.ListAsync(cancellationToken)),
            ApiJson.Web.OperatorSaleList);

    // An operator who disconnects cancels none of the following calls: each is bounded by the servers' own time-outs, and a half-finished
    // change is worse than a finished one.
    private static async Task<IResult> CreateAsync(HttpContext http, OperatorCall call, SaleOperations operations, TimeProvider time)
    {
        var (request, malformed) = await JsonBody.ReadAsync(http.Request, ApiJson.Web.CreateSaleRequest, http.RequestAborted);
        return request is null ? malformed!
            : SaleRules.Validate(request, time.GetUtcNow().ToUnixTimeMilliseconds()) is { } fault ? ErrorResult.BadRequest(fault)
            : Answer(await operations.CreateAsync(call, request, CancellationToken.None), StatusCodes.Status201Created);
    }

    private static async Task<IResult> EditAsync(
        HttpContext http, OperatorCall call, SaleOperations operations, TimeProvider time, string sku_id)
    {
        if (!TryReadId(sku_id, out var skuId))
        {
            return WrongId;
        }

        var (request, malformed) = await JsonBody.ReadAsync(http.Request, ApiJson.Web.EditSaleRequest, http.RequestAborted);
        return request is null ? malformed!
            : SaleRules.Validate(request, time.GetUtcNow().ToUnixTimeMilliseconds()) is { } fault ? ErrorResult.BadRequest(fault)
            : Answer(await operations.EditAsync(call, skuId, request, CancellationToken.None));
    }

    private static async Task<IResult> PauseAsync(OperatorCall call, SaleOperations operations, string sku_id) =>
        TryReadId(sku_id, out var skuId)
            ? Answer(await operations.PauseAsync(call, skuId, paused: true, CancellationToken.None))
            : WrongId;

    private static async Task<IResult> ResumeAsync(OperatorCall call, SaleOperations operations, string sku_id) =>
        TryReadId(sku_id, out var skuId)
            ? Answer(await operations.PauseAsync(call, skuId, paused: false, CancellationToken.None))
            : WrongId;

    private static async Task<IResult> AddStockAsync(HttpContext http, OperatorCall call, SaleOperations operations, string sku_id)
    {
        if (!TryReadId(sku_id, out var skuId))
        {
            return WrongId;
        }

        var (request, malformed) = await JsonBody.ReadAsync(http.Request, ApiJson.Web.AddStockRequest, http.RequestAborted);
        return request is null ? malformed!
            : SaleRules.Validate(request) is { } fault ? ErrorResult.BadRequest(fault)
            : Answer(await operations.AddStockAsync(call, skuId, request, CancellationToken.None));
    }

    private static IResult Answer(SaleResult change, int status = StatusCodes.Status200OK) =>
        change.Error ?? (IResult)TypedResults.Json(change.Sale, ApiJson.Web.OperatorSale, statusCode: status);

    private static bool TryReadId(string text, out long id) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id > 0;
}
