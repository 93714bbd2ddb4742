using System.Globalization;
using Seckill.Api.Publishing;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;

namespace Seckill.Bench.InProcess;

/// <summary>Orders like those from a browser: each with a UUID as client_order_no and its own trace.</summary>
internal static class SampleOrders
{
    public const long FirstSku = 1_000_000;

    private const long FirstUser = 10_000_000;
    private const long Epoch = 1;

    private static readonly SnowflakeSequence Ids = new(SnowflakeSequence.NodeMax, TimeProvider.System);

    /// <summary>As published to the broker, spread evenly over this many SKUs.</summary>
    public static Publication[] ToPublish(int count, int skuCount = 1) =>
        [.. Enumerable.Range(0, count).Select(i => new SweptOrder(new SkuKeys(FirstSku + (i % skuCount)), ReservationOf(i)))];

    /// <summary>As delivered from the queue.</summary>
    public static OrderMessage[] Messages(int count, int skuCount) => Array.ConvertAll(
        ToPublish(count, skuCount), order => order.Message with { TraceParent = order.TraceParent });

    private static Reservation ReservationOf(int index) => new(
        Ids.Next(), OrderState.Pending, 1, FirstUser + index, Epoch, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
        Guid.NewGuid().ToString(), string.Create(CultureInfo.InvariantCulture, $"00-{Guid.NewGuid():N}-b7ad6b7169203331-01"), null, null);
}
