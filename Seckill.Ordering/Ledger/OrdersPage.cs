namespace Seckill.Ordering.Ledger;

/// <summary>An order whose buyer has the result SUCCESS.</summary>
/// <param name="OrderId">The reservation.</param>
/// <param name="OrderSn">The number in the buyer's result; another order's number when the click was a duplicate.</param>
public readonly record struct ToldOrder(long OrderId, string OrderSn);

/// <summary>Some of a SKU's orders.</summary>
/// <param name="Told">Orders whose buyers have the result SUCCESS.</param>
/// <param name="Unlisted">Pending orders missing from the outbox.</param>
public sealed record OrdersPage(IReadOnlyList<ToldOrder> Told, IReadOnlyList<long> Unlisted);
