using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace Seckill.Api.Orders;

/// <summary>A click on "buy". The members have setters because the generated reader boxes each value of an <c>init</c> member.</summary>
public sealed class PlaceOrderRequest
{
    /// <summary>The SKU, 1 or more; as a number, or as the string that the listing gives.</summary>
    [Required]
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public long? SkuId { get; set; }

    /// <summary>Units, 1 to 1,000.</summary>
    [Required]
    public int? Quantity { get; set; }

    /// <summary>The page's own number for this click, up to 64 characters: the same number never makes a second order.</summary>
    public string? ClientOrderNo { get; set; }

    /// <summary>
    /// The unit price that the buyer saw, as a number or a string: the order is accepted at that price or not at all. Without it, the price
    /// at the time of the click applies.
    /// </summary>
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString)]
    public decimal? Price { get; set; }

    /// <summary>From /api/seckill/token, for sales that require one; the header X-Purchase-Token works as well.</summary>
    public string? PurchaseToken { get; set; }
}

/// <summary>
/// The order is in progress; poll <see cref="StatusUrl"/> for the outcome. <see cref="Amount"/>: the amount to be charged; absent for a
/// repeated click, whose first response contained it.
/// </summary>
public sealed record PlaceOrderResponse(
    string Message, string OrderId, string OrderSn, string Status, string StatusUrl, decimal? Amount = null);

/// <summary>
/// State of an order: PENDING, SUCCESS (with its number) or FAILED (with the reason). Times in ms since 1970 UTC. <see cref="Amount"/>: the
/// amount charged, or that would have been charged; absent when unknown.
/// </summary>
public sealed record OrderStatusResponse(
    string Status, string OrderId, string SkuId, int Quantity, string? OrderSn = null, string? Reason = null,
    long? ReservedAtMs = null, long? SettledAtMs = null, decimal? Amount = null);
