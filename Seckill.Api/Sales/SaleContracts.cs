using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace Seckill.Api.Sales;

/// <summary>
/// A sale as operators see it, read fresh. The stock in Redis is null while it is unknown; units is null when the number put on sale is
/// unknown; closed_units are those of closed orders.
/// </summary>
public sealed record OperatorSale(
    string SkuId, string ProductId, string Title, string ProductTitle, string Description, string Image, decimal Price, decimal ListPrice,
    int LimitPerUser, long StartsAtMs, long EndsAtMs, bool Paused, bool TokenRequired, int? Units, int MysqlStock, long? RedisStock,
    int ClosedUnits = 0);

/// <summary>The sales by SKU, and the server's clock. If there are more than 500 sales, those that end last.</summary>
public sealed record OperatorSaleList(long NowMs, IReadOnlyList<OperatorSale> Items);

/// <summary>A new product with one SKU, and its sale. Times in ms since 1970 UTC.</summary>
public sealed class CreateSaleRequest
{
    /// <summary>The SKU id; the next free one when absent.</summary>
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public long? SkuId { get; init; }

    [Required]
    public string? Title { get; init; }

    public string? Description { get; init; }

    /// <summary>A path on this site, or an address that begins with http:// or https://.</summary>
    public string? Image { get; init; }

    [Required]
    public decimal? Price { get; init; }

    /// <summary>The crossed-out list price; 0 for none.</summary>
    public decimal? ListPrice { get; init; }

    [Required]
    public int? LimitPerUser { get; init; }

    [Required]
    public long? StartsAtMs { get; init; }

    /// <summary>The first moment at which orders are no longer accepted.</summary>
    [Required]
    public long? EndsAtMs { get; init; }

    [Required]
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
    [Required]
    public int? Add { get; init; }

    /// <summary>How many units were put on sale so far. A different number changes nothing, so a repeated request adds nothing.</summary>
    [Required]
    public int? UnitsBefore { get; init; }
}
