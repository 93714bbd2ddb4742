using System.Globalization;
using System.Security.Claims;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.Limits;

namespace Seckill.Api.Tokens;

/// <summary>
/// The token to send with the order, as header <c>X-Purchase-Token</c> or member <c>purchase_token</c>, and its expiry, ms since 1970 UTC.
/// </summary>
public sealed record PurchaseTokenResponse(string PurchaseToken, string SkuId, long ExpiresAtMs);

/// <summary>
/// Issues purchase tokens while a sale runs: where they are required, no script can order without requesting one after the start. The
/// gate's own window, by Redis's clock, is authoritative.
/// </summary>
public static class PurchaseTokenEndpoints
{
    public const string Header = "X-Purchase-Token";

    public static IServiceCollection AddPurchaseTokens(this IServiceCollection services)
    {
        services.AddOptions<PurchaseTokenOptions>()
            .BindConfiguration(PurchaseTokenOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<PurchaseTokens>();
        return services;
    }

    public static IEndpointRouteBuilder MapPurchaseToken(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/seckill/token", Issue)
            .RequireBuyer()
            .LimitQueries()
            .WithName("PurchaseToken")
            .WithTags("Orders")
            .WithSummary(
                "A short-lived token for one buyer and one SKU, available once the sale has started; required where token_required "
                    + "is true.")
            .Produces<PurchaseTokenResponse>()
            .ProducesErrors(400, 401, 404, 503);
        return routes;
    }

    /// <summary>The error for an order's purchase token; null when the token is valid or the sale requires none.</summary>
    internal static ErrorResult? Validate(
        HttpContext http, SaleCatalogue catalogue, PurchaseTokens tokens, long userId, long skuId, string? inBody)
    {
        if (catalogue.Find(skuId) is not { TokenRequired: true })
        {
            return null;
        }

        var token = http.Request.Headers[Header] is [{ } header] ? header : inBody;
        return string.IsNullOrEmpty(token) ? ErrorResult.TokenRequired
            : tokens.Check(token, userId, skuId) switch
            {
                PurchaseTokenState.Valid => null,
                PurchaseTokenState.Expired => ErrorResult.TokenExpired,
                _ => ErrorResult.TokenInvalid,
            };
    }

    private static IResult Issue(
        HttpContext http, SaleCatalogue catalogue, PurchaseTokens tokens, TimeProvider time, ClaimsPrincipal user, string? sku_id)
    {
        if (!long.TryParse(sku_id, NumberStyles.None, CultureInfo.InvariantCulture, out var skuId))
        {
            return ErrorResult.BadRequest(sku_id is null ? "sku_id is required" : "sku_id is not valid");
        }

        if (catalogue.Find(skuId) is not { } sale)
        {
            return !catalogue.Loaded ? ErrorResult.WarmingUp
                : catalogue.EndOfForgotten(skuId) is { } ended ? Ended(ended)
                : ErrorResult.UnknownSku;
        }

        var now = time.GetUtcNow();
        if (now < sale.Terms.StartsAt)
        {
            return ErrorResult.BadRequest(
                "not started", string.Create(CultureInfo.InvariantCulture, $"The sale starts at {sale.Terms.StartsAt:u}."));
        }

        if (now >= sale.Terms.EndsAt)
        {
            return Ended(sale.Terms.EndsAt);
        }

        var (token, expiresAtMs) = tokens.Issue(user.UserId(), skuId);
        // The response is specific to one buyer.
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Json(
            new PurchaseTokenResponse(token, skuId.ToString(CultureInfo.InvariantCulture), expiresAtMs),
            ApiJson.Web.PurchaseTokenResponse);
    }

    private static ErrorResult Ended(DateTimeOffset at) =>
        ErrorResult.BadRequest("ended", string.Create(CultureInfo.InvariantCulture, $"The sale ended at {at:u}."));
}
