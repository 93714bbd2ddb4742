using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Errors;

namespace Seckill.Api.WarmUp;

/// <summary>The result of the warm-up for one SKU: stock loaded, or already running.</summary>
public sealed record WarmUpItem(string SkuId, bool Loaded, long Stock, long Epoch);

/// <summary>All SKUs on sale after the warm-up.</summary>
public sealed record WarmUpResponse(IReadOnlyList<WarmUpItem> Items);

public static class WarmUpEndpoints
{
    public static IEndpointRouteBuilder MapWarmUp(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/ops/warm-up", WarmUpAsync)
            .RequireAuthorization(LoginState.OperatorPolicy)
            .Audited()
            .AnswersBusyWhenServersFail()
            .WithName("WarmUp")
            .WithTags("Operations")
            .WithSummary("Loads stock from MySQL into Redis for every sale that is not running; running counters are left alone.")
            .Produces<WarmUpResponse>()
            .ProducesErrors(401, 403, 503);
        return routes;
    }

    // An operator who disconnects does not cancel the call: the servers' own time-outs and the longest wait for the queue bound it, and a
    // half-finished load leaves a gate closed.
    private static async Task<JsonHttpResult<WarmUpResponse>> WarmUpAsync(OperatorCall call, AuditLog audit, StockWarmUp warmUp)
    {
        await audit.WriteAsync(call, "warm-up", "every sale", "", CancellationToken.None);
        var skus = await warmUp.LoadAllAsync(CancellationToken.None);
        return TypedResults.Json(
            new WarmUpResponse([.. skus.Select(
                sku => new WarmUpItem(sku.SkuId.ToString(CultureInfo.InvariantCulture), sku.Loaded, sku.Stock, sku.Epoch))]),
            ApiJson.Web.WarmUpResponse);
    }
}
