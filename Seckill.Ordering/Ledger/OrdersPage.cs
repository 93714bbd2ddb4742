namespace Seckill.Ordering.Ledger;

/// <summary>An order whose buyer was told SUCCESS.</summary>
/// <param name="OrderId">The reservation.</param>
/// <param name="OrderSn">The number that the buyer was told; that of another order when the click was known before.</param>
public readonly record struct ToldOrder(long OrderId, string OrderSn);

/// <summary>Some of a SKU's orders.</summary>
/// <param name="Told">Those whose buyers were told SUCCESS.</param>
/// <param name="Unlisted">Pending ones that have fallen out of the outbox.</param>
public sealed record OrdersPage(IReadOnlyList<ToldOrder> Told, IReadOnlyList<long> Unlisted);
