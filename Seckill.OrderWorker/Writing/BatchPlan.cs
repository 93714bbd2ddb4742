using System.Globalization;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>A SKU as read from its row, locked or not.</summary>
internal sealed record SkuRow(long Id, long ProductId, string Title, decimal Price, int Stock, string Image, string Attrs, long GateEpoch)
{
    /// <summary>The offer in the row; null when its price cannot be charged, which then fails when it is written.</summary>
    public Offer? Offer { get; } = Price is >= 0 and <= Offer.PriceMax ? Offer.Of(Price, Title, Image, Attrs) : null;

    /// <summary>Maximum number of units per buyer that the gate may have accepted; null without a sale.</summary>
    public int? LimitPerUser { get; init; }
}

/// <summary>An order written in MySQL.</summary>
/// <param name="Id">Its id.</param>
/// <param name="OrderSn">Its number.</param>
/// <param name="UserId">The buyer.</param>
/// <param name="GateEpoch">The SKU's gate epoch at the commit.</param>
/// <param name="SkuId">The SKU that was bought; null when the order has no line.</param>
/// <param name="Quantity">Units.</param>
/// <param name="IsReserved">Whether a gate reserved stock for it. If none did, only its message can settle it.</param>
internal readonly record struct WrittenOrder(
    long Id, string OrderSn, long UserId, long GateEpoch, long? SkuId, int Quantity, bool IsReserved = true)
{
    /// <summary>Whether the order matches the message.</summary>
    public bool IsOf(OrderMessage message) =>
        UserId == message.UserId && (SkuId is null || (SkuId == message.SkuId && Quantity == message.Quantity));
}

/// <summary>A refusal written in MySQL.</summary>
internal readonly record struct RefusedOrder(long Id, string Reason, long SkuId, int Quantity);

/// <summary>MySQL's data about a batch's orders.</summary>
internal sealed class BatchFacts
{
    public Dictionary<long, SkuRow> Skus { get; } = [];

    public Dictionary<long, WrittenOrder> OrdersById { get; } = [];

    public Dictionary<(long UserId, string ClickNo), WrittenOrder> OrdersByClick { get; } = [];

    public Dictionary<long, string> RejectionsById { get; } = [];

    public Dictionary<(long UserId, string ClickNo), RefusedOrder> RejectionsByClick { get; } = [];

    /// <summary>Offered versions of SKUs that have been edited since, by SKU and <see cref="Offer.Text"/>.</summary>
    public Dictionary<(long SkuId, string Offer), SkuRow> Offered { get; } = [];

    /// <summary>
    /// The SKU data by which the order is charged and displayed: as offered to it, or current when it came without an offer.
    /// </summary>
    public SkuRow RowFor(OrderMessage message, SkuRow sku)
    {
        if (message.Offer is not { } text || text == sku.Offer?.Text)
        {
            return sku;
        }

        if (!Offered.TryGetValue((sku.Id, text), out var row))
        {
            // The recorded offer is missing, but the price came with the order.
            row = Offer.TryParse(text, out var offer) ? sku with { Price = offer.Price } : sku;
            Offered.Add((sku.Id, text), row);
        }

        return row;
    }

    /// <summary>Units in live orders, by SKU and buyer; only for the buyers queried.</summary>
    public Dictionary<(long SkuId, long UserId), long> UnitsHeld { get; } = [];
}

/// <summary>
/// Decides a batch in the order of arrival. No I/O: the result is written in the transaction that read the facts, under the SKUs' locks or
/// only if the SKUs are found unchanged.
/// </summary>
internal sealed class BatchPlan
{
    private BatchPlan(BatchFacts facts, int orderCount)
    {
        Facts = facts;
        Verdicts = new OrderVerdict?[orderCount];
    }

    /// <summary>The facts that decisions are based on, plus the rows that this plan adds.</summary>
    public BatchFacts Facts { get; }

    /// <summary>One for each order; null when the order id belongs to another order and no gate reserved under it.</summary>
    public OrderVerdict?[] Verdicts { get; }

    public List<(OrderInHand Order, SkuRow Sku)> Accepted { get; } = [];

    public List<(OrderInHand Order, string Reason)> Rejected { get; } = [];

    /// <summary>Units to deduct, by SKU.</summary>
    public SortedDictionary<long, int> Taken { get; } = [];

    /// <summary>Decides all orders; results of earlier orders in the batch count as written for later ones.</summary>
    public static BatchPlan Decide(IReadOnlyList<OrderInHand> orders, BatchFacts facts)
    {
        var plan = new BatchPlan(facts, orders.Count);
        for (var i = 0; i < orders.Count; i++)
        {
            plan.Verdicts[i] = plan.Decide(orders[i]);
        }

        return plan;
    }

    private OrderVerdict? Decide(OrderInHand order)
    {
        var message = order.Message;
        if (Facts.OrdersById.TryGetValue(order.OrderId, out var written))
        {
            return written.IsOf(message)
                ? new OrderVerdict(VerdictKind.WrittenBefore, order.OrderId, written.OrderSn, written.GateEpoch)
                // A gate's reservation must get an answer, so that its units go back. Any other message used an id that is not its own.
                : message.Epoch is null ? null
                : Facts.RejectionsById.ContainsKey(order.OrderId)
                ? new OrderVerdict(VerdictKind.RejectedBefore, order.OrderId, RejectionReason.IdTaken, 0)
                : Reject(order, RejectionReason.IdTaken);
        }

        // Checked before the click: an order that was answered FAILED stays FAILED, even if the same click got another id later.
        if (Facts.RejectionsById.TryGetValue(order.OrderId, out var reason))
        {
            return new OrderVerdict(VerdictKind.RejectedBefore, order.OrderId, reason, 0);
        }

        if (order.ClickNo is not null && Facts.OrdersByClick.TryGetValue((message.UserId, order.ClickNo), out var first))
        {
            return first.IsOf(message)
                ? new OrderVerdict(VerdictKind.DuplicateClick, first.Id, first.OrderSn, first.GateEpoch)
                {
                    IsFirstReserved = first.IsReserved,
                }
                : Reject(order, RejectionReason.NumberUsed);
        }

        if (!order.FromGate && order.ClickNo is not null
            && Facts.RejectionsByClick.TryGetValue((message.UserId, order.ClickNo), out var refused))
        {
            // One answer for each click, although stock may have come back since.
            return refused.SkuId == message.SkuId && refused.Quantity == message.Quantity
                ? new OrderVerdict(VerdictKind.RejectedBefore, refused.Id, refused.Reason, 0)
                : Reject(order, RejectionReason.NumberUsed);
        }

        if (!Facts.Skus.TryGetValue(message.SkuId, out var sku))
        {
            return Reject(order, RejectionReason.UnknownSku);
        }

        if (IsOverLimit(message, sku))
        {
            return Reject(order, RejectionReason.LimitReached);
        }

        var taken = Taken.GetValueOrDefault(sku.Id);
        return sku.Stock - taken < message.Quantity ? Reject(order, RejectionReason.SoldOut) : Accept(order, sku, taken + message.Quantity);
    }

    /// <summary>
    /// The gate enforces the limit; this check covers a gate that has lost its memory. Other producers' orders are not limited, but they
    /// count.
    /// </summary>
    private bool IsOverLimit(OrderMessage message, SkuRow sku) =>
        message.Epoch is not null && sku.LimitPerUser is { } limit
        && Facts.UnitsHeld.GetValueOrDefault((sku.Id, message.UserId)) + message.Quantity > limit;

    private OrderVerdict Reject(OrderInHand order, string reason)
    {
        Rejected.Add((order, reason));
        Facts.RejectionsById.Add(order.OrderId, reason);
        if (order.ClickNo is not null)
        {
            Facts.RejectionsByClick.TryAdd(
                (order.Message.UserId, order.ClickNo),
                new RefusedOrder(order.OrderId, reason, order.Message.SkuId, order.Message.Quantity));
        }

        return new OrderVerdict(VerdictKind.Rejected, order.OrderId, reason, 0);
    }

    private OrderVerdict Accept(OrderInHand order, SkuRow sku, int taken)
    {
        Accepted.Add((order, Facts.RowFor(order.Message, sku)));
        var buyer = (sku.Id, order.Message.UserId);
        Facts.UnitsHeld[buyer] = Facts.UnitsHeld.GetValueOrDefault(buyer) + order.Message.Quantity;
        Taken[sku.Id] = taken;
        var written = new WrittenOrder(
            order.OrderId, order.OrderId.ToString(CultureInfo.InvariantCulture), order.Message.UserId, sku.GateEpoch,
            sku.Id, order.Message.Quantity, IsReserved: order.Message.ReservedAtMs is not null);
        Facts.OrdersById.Add(order.OrderId, written);
        if (order.ClickNo is not null)
        {
            Facts.OrdersByClick.Add((order.Message.UserId, order.ClickNo), written);
        }

        return new OrderVerdict(VerdictKind.Accepted, order.OrderId, written.OrderSn, sku.GateEpoch);
    }
}
