using System.Globalization;
using MySqlConnector;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Api.Orders;
using StackExchange.Redis;

namespace Seckill.Api.WarmUp;

/// <summary>What the warm-up did with one SKU: loaded its stock, or found it running.</summary>
public sealed record WarmUpItem(string SkuId, bool Loaded, long Stock, long Epoch);

/// <summary>All SKUs on sale after the warm-up.</summary>
public sealed record WarmUpResponse(IReadOnlyList<WarmUpItem> Items);

public static class WarmUpEndpoints
{
    public static IEndpointRouteBuilder MapWarmUp(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/ops/warm-up", WarmUpAsync)
            .RequireAuthorization(LoginState.OperatorPolicy)
            .WithName("WarmUp")
            .WithTags("Operations")
            .WithSummary("Loads stock from MySQL into Redis for every sale that is not running; running counters are left alone.")
            .Produces<WarmUpResponse>()
            .ProducesErrors(401, 403, 503);
        return routes;
    }

    private static async Task<IResult> WarmUpAsync(StockLoader loader, ILogger<StockLoader> logger, CancellationToken cancellationToken)
    {
        try
        {
            var skus = await loader.LoadAllAsync(cancellationToken);
            return TypedResults.Json(
                new WarmUpResponse([.. skus.Select(sku => new WarmUpItem(
                    sku.SkuId.ToString(CultureInfo.InvariantCulture), sku.Loaded, sku.Stock, sku.Epoch))]),
                ApiJson.Web.WarmUpResponse);
        }
        catch (Exception exception) when (exception is RedisException or MySqlException or TimeoutException)
        {
            WarmUpLog.Failed(logger, exception.Message);
            return ErrorResult.Busy;
        }
    }
}

internal static partial class WarmUpLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "The warm-up that an operator asked for failed: {Reason}")]
    public static partial void Failed(ILogger logger, string reason);
}
