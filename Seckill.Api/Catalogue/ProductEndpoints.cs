using System.Globalization;
using System.Text.Json;
using Seckill.Api.Errors;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Catalogue;

/// <summary>
/// One SKU on sale. Prices as decimal numbers, times in ms since 1970 UTC. Stock is null while it is unknown; units (put on sale so far) is
/// null when that number is unknown.
/// </summary>
public sealed record SaleItem(
    string SkuId, string ProductId, string Title, string ProductTitle, string Image, JsonElement Attrs,
    decimal Price, decimal ListPrice, long? Stock, int? Units, int LimitPerUser, long StartsAtMs, long EndsAtMs, bool Paused,
    bool TokenRequired);

/// <summary>All SKUs on sale, and the server's clock for the countdown.</summary>
public sealed record SaleListing(long NowMs, IReadOnlyList<SaleItem> Items);

/// <summary>The listing: terms from memory, stock from Redis, cached briefly so that a crowd of reloads costs one read.</summary>
public sealed class SaleListings(
    SaleCatalogue catalogue, StockLedger ledger, Microsoft.Extensions.Options.IOptions<CatalogueOptions> options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Task<IReadOnlyList<SaleItem>>? _items;
    private long _readAt;

    public async Task<SaleListing> ReadAsync(CancellationToken cancellationToken)
    {
        Task<IReadOnlyList<SaleItem>> items;
        lock (_lock)
        {
            // All requests that arrive meanwhile share one read, so no caller's token cancels it. A failed one is not kept.
            if (_items is null or { IsFaulted: true } or { IsCanceled: true }
                || time.GetElapsedTime(_readAt).TotalMilliseconds > options.Value.ListingHoldMs)
            {
                _readAt = time.GetTimestamp();
                _items = ReadItemsAsync();
            }

            items = _items;
        }

        return new SaleListing(time.GetUtcNow().ToUnixTimeMilliseconds(), await items.WaitAsync(cancellationToken));
    }

    private async Task<IReadOnlyList<SaleItem>> ReadItemsAsync()
    {
        // Buyers look at current sales and those that have just ended; if there are too many, the list has those that end last.
        var since = time.GetUtcNow().AddHours(-options.Value.EndedListedForHours);
        var sales = catalogue.Sales.Where(sale => sale.Terms.EndsAt > since)
            .OrderByDescending(sale => sale.Terms.EndsAt).ThenBy(sale => sale.SkuId).Take(options.Value.ListedMax)
            .OrderBy(sale => sale.SkuId)
            .ToList();

        // A listing without stock is better than none; the health check alerts the operator.
        var stock = await ledger.StockAsync(sales.ConvertAll(sale => new SkuKeys(sale.SkuId)), CancellationToken.None);
        return [.. sales.Select(sale => new SaleItem(
            Text(sale.SkuId), Text(sale.ProductId), sale.Title, sale.ProductTitle, sale.Image, sale.Attrs, sale.Offer.Price, sale.ListPrice,
            stock.GetValueOrDefault(sale.SkuId) is { } left ? Math.Max(0, left) : null, sale.Units,
            sale.Terms.LimitPerUser, sale.Terms.StartsAt.ToUnixTimeMilliseconds(), sale.Terms.EndsAt.ToUnixTimeMilliseconds(),
            sale.Terms.Paused, sale.TokenRequired))];
    }

    private static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);
}

public static class ProductEndpoints
{
    public static IEndpointRouteBuilder MapProducts(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/products", async (SaleListings listings, CancellationToken cancellationToken) =>
                TypedResults.Json(await listings.ReadAsync(cancellationToken), ApiJson.Web.SaleListing))
            .NeedsSales()
            .WithName("Products")
            .WithTags("Products")
            .WithSummary("What is on sale: price, window, stock left.")
            .Produces<SaleListing>()
            .ProducesErrors(503);
        return routes;
    }
}
