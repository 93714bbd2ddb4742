using System.Text.Json.Serialization;

namespace Seckill.Api.Sales;

/// <summary>
/// A sale as operators see it, read fresh. Stock in Redis null while it is not known, units null when nobody has said how many were put on
/// sale.
/// </summary>
public sealed record OperatorSale(
    string SkuId, string ProductId, string Title, string ProductTitle, string Description, string Image, decimal Price, decimal ListPrice,
    int LimitPerUser, long StartsAtMs, long EndsAtMs, bool Paused, bool TokenRequired, int? Units, int MysqlStock, long? RedisStock);

/// <summary>The sales by SKU, and the server's clock.</summary>
public sealed record OperatorSaleList(long NowMs, IReadOnlyList<OperatorSale> Items);

/// <summary>A new product with one SKU, and its sale. Times in ms since 1970 UTC.</summary>
public sealed class CreateSaleRequest
{
    /// <summary>Without it the next free one.</summary>
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public long? SkuId { get; init; }

    public string? Title { get; init; }

    public string? Description { get; init; }

    /// <summary>A path on this site, or an address that begins with http:// or https://.</summary>
    public string? Image { get; init; }

    public decimal? Price { get; init; }

    /// <summary>The price that is struck through; 0 for none.</summary>
    public decimal? ListPrice { get; init; }

    public int? LimitPerUser { get; init; }

    public long? StartsAtMs { get; init; }

    /// <summary>First moment at which no order is taken.</summary>
    public long? EndsAtMs { get; init; }

    public int? Units { get; init; }
}

/// <summary>The terms to change; a missing member keeps its value.</summary>
public sealed class EditSaleRequest
{
    public string? Title { get; init; }

    public decimal? Price { get; init; }

    public decimal? ListPrice { get; init; }

    public int? LimitPerUser { get; init; }

    public long? StartsAtMs { get; init; }

    public long? EndsAtMs { get; init; }
}

/// <summary>Puts more units on sale.</summary>
public sealed class AddStockRequest
{
    public int? Add { get; init; }

    /// <summary>How many were put on sale so far: when it is another number, nothing is done. So a repeated request adds nothing.</summary>
    public int? UnitsBefore { get; init; }
}
