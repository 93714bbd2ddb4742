namespace Seckill.Ordering.Store;

/// <summary>The state of an order.</summary>
public enum OrderStatus
{
    PendingPayment = 0,
    Paid = 1,
    Closed = 2,
}

public sealed class Product
{
    public long Id { get; init; }

    public required string Title { get; set; }

    public required string Description { get; set; }

    public required string Image { get; set; }

    public List<ProductSku> Skus { get; } = [];
}

public sealed class ProductSku
{
    public long Id { get; init; }

    public long ProductId { get; init; }

    public Product? Product { get; init; }

    public required string Title { get; set; }

    /// <summary>Sale price of one unit, in the shop's currency.</summary>
    public decimal Price { get; set; }

    /// <summary>Units left. MySQL's number is authoritative.</summary>
    public int Stock { get; set; }

    public required string Image { get; set; }

    /// <summary>JSON object of the attributes that distinguish this SKU: colour, size.</summary>
    public required string Attrs { get; set; }

    /// <summary>The valid load of the Redis counter; rises by one or more with every load.</summary>
    public long GateEpoch { get; set; }

    /// <summary>
    /// The token of that load: the epoch alone could belong to another load, which died halfway. Null when the counter was loaded by an
    /// instance from before tokens existed.
    /// </summary>
    public long? GateLoad { get; set; }

    public SeckillSale? Sale { get; init; }
}

/// <summary>A version of a SKU as offered to buyers, see <see cref="Contract.Offer"/>; never changed.</summary>
public sealed class SkuOffer
{
    public long SkuId { get; init; }

    public required string Version { get; init; }

    public decimal Price { get; init; }

    public required string Title { get; init; }

    public required string Image { get; init; }

    public required string Attrs { get; init; }

    /// <summary>UTC; the time at which an instance first showed it.</summary>
    public DateTime OfferedAt { get; init; }
}

/// <summary>A sale of one SKU: the terms that the gate enforces.</summary>
public sealed class SeckillSale
{
    public long SkuId { get; init; }

    /// <summary>UTC.</summary>
    public DateTime StartsAt { get; set; }

    /// <summary>UTC; first moment at which orders are no longer accepted.</summary>
    public DateTime EndsAt { get; set; }

    /// <summary>Maximum number of units that one buyer may hold.</summary>
    public int LimitPerUser { get; set; }

    /// <summary>
    /// The highest limit so far: orders accepted under it may be written after it was lowered. Null until it has been lowered.
    /// </summary>
    public int? LimitHighest { get; set; }

    /// <summary>The price shown struck through; 0 for none.</summary>
    public decimal ListPrice { get; set; }

    public bool Paused { get; set; }

    /// <summary>Whether a click needs a purchase token, which is not issued before <see cref="StartsAt"/>.</summary>
    public bool TokenRequired { get; set; }

    /// <summary>
    /// Units put on sale so far; null when unknown. Stock, live orders and <see cref="ClosedUnits"/> must add up to it. It only rises, so
    /// that a repeated addition can be told from a new one.
    /// </summary>
    public int? Units { get; set; }

    /// <summary>Units of the orders that the payment service has closed. Seckill itself closes none.</summary>
    public int ClosedUnits { get; set; }
}

public sealed class Order
{
    /// <summary>Snowflake id, generated at the gate.</summary>
    public long Id { get; init; }

    public required string OrderSn { get; init; }

    public long UserId { get; init; }

    public string? ClientOrderNo { get; init; }

    public OrderStatus Status { get; set; }

    public decimal TotalAmount { get; init; }

    public decimal PayAmount { get; init; }

    /// <summary>The SKU's gate epoch at the commit: tells settling which counter includes the order.</summary>
    public long GateEpoch { get; init; }

    /// <summary>W3C trace id of the click, 32 hex digits; empty when the order came without one.</summary>
    public required string TraceId { get; init; }

    /// <summary>UTC; the time of the gate's reservation, or of the worker's receipt for an order that no gate reserved.</summary>
    public DateTime ReservedAt { get; init; }

    /// <summary>UTC; the time at which the worker received it from the queue.</summary>
    public DateTime PickedUpAt { get; init; }

    /// <summary>UTC, by MySQL's clock; the time at which the worker wrote it.</summary>
    public DateTime CreatedAt { get; init; }

    /// <summary>
    /// UTC, by MySQL's clock; the time until which the order may be paid. Meant for your payment service: Seckill closes nothing.
    /// </summary>
    public DateTime ExpiresAt { get; init; }

    public List<OrderItem> Items { get; } = [];
}

/// <summary>A line of an order, with the SKU's data at the time of purchase.</summary>
public sealed class OrderItem
{
    public long Id { get; init; }

    public long OrderId { get; init; }

    public long UserId { get; init; }

    public long ProductId { get; init; }

    public long SkuId { get; init; }

    public required string Title { get; init; }

    public required string Image { get; init; }

    public decimal Price { get; init; }

    public int Quantity { get; init; }

    public required string Attrs { get; init; }
}

/// <summary>
/// The result FAILED, stored apart from the orders: a buyer whose click was queued finds it here when Redis no longer has it.
/// </summary>
public sealed class OrderRejection
{
    public long OrderId { get; init; }

    public long UserId { get; init; }

    public long SkuId { get; init; }

    public int Quantity { get; init; }

    public string? ClientOrderNo { get; init; }

    public required string Reason { get; init; }

    public required string TraceId { get; init; }

    /// <summary>UTC.</summary>
    public DateTime CreatedAt { get; init; }
}

/// <summary>The holder of a Snowflake node number, and the end of its lease by MySQL's clock.</summary>
public sealed class SnowflakeNode
{
    public int Node { get; init; }

    public required string Owner { get; set; }

    /// <summary>UTC.</summary>
    public DateTime LeasedUntil { get; set; }
}

/// <summary>An operator's action or read access: written before it happens, never changed. Its outcome is a separate row.</summary>
public sealed class OpsAuditEntry
{
    /// <summary>The longest subject of a token, as in OpenID Connect.</summary>
    public const int OperatorLengthMax = 255;
    public const int SchemeLengthMax = 16;
    public const int AddressLengthMax = 45;
    public const int ActionLengthMax = 64;
    public const int TargetLengthMax = 128;
    public const int DetailLengthMax = 4_000;

    public long Id { get; init; }

    /// <summary>UTC.</summary>
    public DateTime At { get; init; }

    /// <summary>Subject of the operator's token, or the name of the machine key; empty for a caller who is not logged in.</summary>
    public required string Operator { get; init; }

    /// <summary>How the operator was authenticated: <c>bearer</c>, <c>cookie</c>, <c>ops-key</c> or <c>none</c>.</summary>
    public string Scheme { get; init; } = "";

    /// <summary>Address of the client; empty when unknown.</summary>
    public string Address { get; init; } = "";

    /// <summary>Stable name such as <c>dead-letter.replay</c>.</summary>
    public required string Action { get; init; }

    /// <summary>The target: SKU, order or dead-letter id.</summary>
    public required string Target { get; init; }

    /// <summary>Details, as JSON or text.</summary>
    public required string Detail { get; init; }

    /// <summary>W3C trace id of the request, 32 hex digits; empty without one.</summary>
    public required string TraceId { get; init; }

    /// <summary>Null while the action is in progress, and after one that was interrupted.</summary>
    public OpsAuditOutcome? Outcome { get; init; }
}

/// <summary>The outcome of an audited action. At most one for each entry, and never changed either.</summary>
public sealed class OpsAuditOutcome
{
    public const int ReasonLengthMax = 200;

    public long EntryId { get; init; }

    /// <summary>UTC.</summary>
    public DateTime At { get; init; }

    /// <summary>Status of the HTTP response, or of the action if it ended differently.</summary>
    public int Status { get; init; }

    /// <summary>The error in the response; empty for a success.</summary>
    public required string Reason { get; init; }
}
