namespace Seckill.Ordering.Store;

/// <summary>What an order's row says of its life.</summary>
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

    /// <summary>What a unit costs in the sale, in the shop's currency.</summary>
    public decimal Price { get; set; }

    /// <summary>Units left. MySQL's word is the last one.</summary>
    public int Stock { get; set; }

    public required string Image { get; set; }

    /// <summary>JSON object of what sets this SKU apart: colour, size.</summary>
    public required string Attrs { get; set; }

    /// <summary>Which load of the Redis counter is the valid one; rises by one or more with every load.</summary>
    public long GateEpoch { get; set; }

    /// <summary>
    /// The token of that load: by itself the epoch could be that of another load, which died half-way. Null when an instance that knew of
    /// no tokens has loaded it.
    /// </summary>
    public long? GateLoad { get; set; }

    public SeckillSale? Sale { get; init; }
}

/// <summary>What a SKU was offered as, see <see cref="Contract.Offer"/>; never changed.</summary>
public sealed class SkuOffer
{
    public long SkuId { get; init; }

    public required string Version { get; init; }

    public decimal Price { get; init; }

    public required string Title { get; init; }

    public required string Image { get; init; }

    public required string Attrs { get; init; }

    /// <summary>UTC; when an instance first showed it.</summary>
    public DateTime OfferedAt { get; init; }
}

/// <summary>A sale of one SKU: the terms that the gate enforces.</summary>
public sealed class SeckillSale
{
    public long SkuId { get; init; }

    /// <summary>UTC.</summary>
    public DateTime StartsAt { get; set; }

    /// <summary>UTC; first moment at which no order is taken.</summary>
    public DateTime EndsAt { get; set; }

    /// <summary>Units one buyer may hold.</summary>
    public int LimitPerUser { get; set; }

    /// <summary>
    /// The highest limit so far: what was accepted under it may be written after it was lowered. Null while it has not been lowered.
    /// </summary>
    public int? LimitHighest { get; set; }

    /// <summary>The price that is struck through; 0 for none.</summary>
    public decimal ListPrice { get; set; }

    public bool Paused { get; set; }

    /// <summary>Whether a click must bring a purchase token, which is not issued before <see cref="StartsAt"/>.</summary>
    public bool TokenRequired { get; set; }

    /// <summary>Units put on sale so far: what stock and live orders must add up to; null when nobody has said.</summary>
    public int? Units { get; set; }
}

public sealed class Order
{
    /// <summary>Snowflake id, made at the gate.</summary>
    public long Id { get; init; }

    public required string OrderSn { get; init; }

    public long UserId { get; init; }

    public string? ClientOrderNo { get; init; }

    public OrderStatus Status { get; set; }

    public decimal TotalAmount { get; init; }

    public decimal PayAmount { get; init; }

    /// <summary>The SKU's gate epoch when the order was committed: tells settling which counter has counted it.</summary>
    public long GateEpoch { get; init; }

    /// <summary>W3C trace id of the click, 32 hex digits; empty when the order came without one.</summary>
    public required string TraceId { get; init; }

    /// <summary>UTC; when the gate reserved, or when the worker picked up an order that no gate reserved.</summary>
    public DateTime ReservedAt { get; init; }

    /// <summary>UTC; when the worker took it from the queue.</summary>
    public DateTime PickedUpAt { get; init; }

    /// <summary>UTC; when the worker wrote it.</summary>
    public DateTime CreatedAt { get; init; }

    /// <summary>UTC; unpaid orders are closed then.</summary>
    public DateTime ExpiresAt { get; init; }

    public List<OrderItem> Items { get; } = [];
}

/// <summary>A line of an order, with the SKU as it was when it was bought.</summary>
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

/// <summary>The answer FAILED, kept apart from the orders: a buyer who was told "queued" finds it here when Redis has forgotten.</summary>
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

/// <summary>What an operator did or was shown: written before it happens, never changed. Its outcome is a row of its own.</summary>
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

    /// <summary>Subject of the operator's token, or the name of the machine key; empty for somebody who did not log in.</summary>
    public required string Operator { get; init; }

    /// <summary>What the operator was known by: <c>bearer</c>, <c>cookie</c>, <c>ops-key</c> or <c>none</c>.</summary>
    public string Scheme { get; init; } = "";

    /// <summary>Where the request came from; empty when that is not known.</summary>
    public string Address { get; init; } = "";

    /// <summary>Stable name such as <c>dead-letter.replay</c>.</summary>
    public required string Action { get; init; }

    /// <summary>What it was done to: SKU, order or dead-letter id.</summary>
    public required string Target { get; init; }

    /// <summary>JSON or text: what exactly.</summary>
    public required string Detail { get; init; }

    /// <summary>W3C trace id of the request, 32 hex digits; empty without one.</summary>
    public required string TraceId { get; init; }

    /// <summary>Null while it is under way, and for what was cut off half-way.</summary>
    public OpsAuditOutcome? Outcome { get; init; }
}

/// <summary>How an audited request ended. One at most for each entry, and never changed either.</summary>
public sealed class OpsAuditOutcome
{
    public const int ReasonLengthMax = 200;

    public long EntryId { get; init; }

    /// <summary>UTC.</summary>
    public DateTime At { get; init; }

    /// <summary>Of the HTTP answer.</summary>
    public int Status { get; init; }

    /// <summary>The error that was answered; empty for a success.</summary>
    public required string Reason { get; init; }
}
