using System.Text.Json;
using Seckill.Api.Publishing;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Unit;

/// <summary>A lone order is the contract's object; many are an array of the same objects, each with its trace.</summary>
[Trait("Category", "Quick")]
public sealed class PublishBodyTests
{
    private const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    [Fact]
    public void One_order_is_an_object()
    {
        var message = OrderMessage.Parse(new PublishBody().Write([Order(1)]).Span);
        Assert.Equal(
            (1L, 7L, 1001L, 2, "click-1"),
            (message.OrderId!.Value, message.UserId, message.SkuId, message.Quantity, message.ClientOrderNo));
        // It is not recorded, so the headers cannot have its trace.
        Assert.Equal(Trace, message.TraceParent);
    }

    [Fact]
    public void Many_are_an_array_of_such_objects()
    {
        using var body = JsonDocument.Parse(new PublishBody().Write([Order(1), Order(2), Order(3, trace: null)]));
        var orders = body.RootElement.EnumerateArray().Select(order => OrderMessage.Parse(JsonSerializer.SerializeToUtf8Bytes(order)))
            .ToList();
        Assert.Equal([1, 2, 3], orders.Select(order => order.OrderId!.Value));
        Assert.Equal([Trace, Trace, null], orders.Select(order => order.TraceParent));
    }

    private static SweptOrder Order(long id, string? trace = Trace) => new(
        new SkuKeys(1001), new Reservation(id, OrderState.Pending, 2, 7, 1, 1_700_000_000_000, $"click-{id}", trace, null, null));
}
