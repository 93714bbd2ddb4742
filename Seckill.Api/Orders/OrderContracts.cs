using System.Text.Json.Serialization;

namespace Seckill.Api.Orders;

/// <summary>
/// A click on "buy". Settable members: for <c>init</c> the generated reader boxes each value, 496 bytes a click instead of 392.
/// </summary>
public sealed class PlaceOrderRequest
{
    /// <summary>The SKU, 1 or more; as a number, or as the string that the listing gives.</summary>
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public long? SkuId { get; set; }

    /// <summary>Units, 1 to 1,000.</summary>
    public int? Quantity { get; set; }

    /// <summary>The page's own number for this click, up to 64 characters: the same number never makes a second order.</summary>
    public string? ClientOrderNo { get; set; }

    /// <summary>
    /// What a unit cost when the buyer saw it, as a number or a string: the order is taken for that price or not at all. Without it, for
    /// what the SKU costs at the click.
    /// </summary>
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public decimal? Price { get; set; }

    /// <summary>From /api/seckill/token, for sales that require one; the header X-Purchase-Token does the same.</summary>
    public string? PurchaseToken { get; set; }
}

/// <summary>
/// The order is on its way; ask <see cref="StatusUrl"/> for the outcome. <see cref="Amount"/>: what it will be charged; absent when the
/// click is a repeat, whose first answer said it.
/// </summary>
public sealed record PlaceOrderResponse(
    string Message, string OrderId, string OrderSn, string Status, string StatusUrl, decimal? Amount = null);

/// <summary>
/// Where an order stands: PENDING, SUCCESS (with its number) or FAILED (with the reason). Times in ms since 1970 UTC.
/// <see cref="Amount"/>: what it is charged, or would have been; absent where that is not known.
/// </summary>
public sealed record OrderStatusResponse(
    string Status, string OrderId, string SkuId, int Quantity, string? OrderSn = null, string? Reason = null,
    long? ReservedAtMs = null, long? SettledAtMs = null, decimal? Amount = null);
