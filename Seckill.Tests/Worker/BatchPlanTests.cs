using System.Diagnostics;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Settling;
using Seckill.OrderWorker.Writing;

namespace Seckill.Tests.Worker;

/// <summary>How a batch is decided, without servers.</summary>
[Trait("Category", "Quick")]
public sealed class BatchPlanTests
{
    private static readonly Delivery Delivery = new(1, [], new BasicProperties(), default(ActivityContext), DateTimeOffset.UnixEpoch, 0);

    [Fact]
    public void Orders_are_decided_in_the_order_of_arrival()
    {
        var plan = BatchPlan.Decide([Of(1, quantity: 2), Of(2, quantity: 2), Of(3, quantity: 1)], Facts(stock: 3));

        Assert.Equal([VerdictKind.Accepted, VerdictKind.Rejected, VerdictKind.Accepted], plan.Verdicts.Select(v => v!.Kind));
        Assert.Equal(3, plan.Taken[1001]);
        Assert.Equal("sold out", plan.Verdicts[1]!.Detail);
    }

    [Fact]
    public void Copies_within_a_batch_count_as_written()
    {
        var plan = BatchPlan.Decide([Of(1, click: "a"), Of(1, click: "a"), Of(2, click: "a"), Of(3, click: "A")], Facts(stock: 10));

        Assert.Equal(
            [VerdictKind.Accepted, VerdictKind.WrittenBefore, VerdictKind.DuplicateClick, VerdictKind.Accepted],
            plan.Verdicts.Select(v => v!.Kind));
        Assert.Equal("1", plan.Verdicts[2]!.Detail);
        Assert.Equal([true, true, false, true], plan.Verdicts.Select(v => v!.StockDeducted));
        Assert.Equal(2, plan.Taken[1001]);
    }

    [Fact]
    public void Earlier_decisions_stand()
    {
        var facts = Facts(stock: 10, epoch: 5);
        facts.OrdersById.Add(1, new WrittenOrder(1, "1", UserId: 7, GateEpoch: 3, SkuId: 1001, Quantity: 1));
        facts.OrdersByClick.Add((7, "a"), new WrittenOrder(1, "1", UserId: 7, GateEpoch: 3, SkuId: 1001, Quantity: 1));
        facts.RejectionsById.Add(2, "sold out");
        var plan = BatchPlan.Decide([Of(1), Of(2, click: "a"), Of(3, click: "a")], facts);

        Assert.Equal(
            [VerdictKind.WrittenBefore, VerdictKind.RejectedBefore, VerdictKind.DuplicateClick], plan.Verdicts.Select(v => v!.Kind));
        Assert.Equal(3, plan.Verdicts[0]!.CommittedEpoch);
        Assert.Empty(plan.Accepted);
        Assert.Empty(plan.Rejected);
    }

    [Theory]
    [InlineData(true, null)]
    [InlineData(false, 1L)]
    public void Only_a_first_order_that_no_gate_reserved_is_settled_with_another_producers_duplicate(bool isReserved, long? settledId)
    {
        var facts = Facts(stock: 10);
        facts.OrdersByClick.Add(
            (7, "a"), new WrittenOrder(1, "1", UserId: 7, GateEpoch: 3, SkuId: 1001, Quantity: 1, IsReserved: isReserved));
        var order = new OrderInHand(
            Delivery, default, null, new OrderMessage { UserId = 7, SkuId = 1001, Quantity = 1, ClientOrderNo = "a" }, "a", default, null)
        {
            OrderId = 2,
        };
        order.Verdict = BatchPlan.Decide([order], facts).Verdicts[0];

        var settlement = OrderSettlement.Of(order);

        Assert.Equal(settledId, settlement?.OrderId);
        Assert.Equal(settledId is not null, settlement is { StockDeducted: true, MessageEpoch: null });
    }

    [Fact]
    public void An_order_id_of_another_buyer_gets_no_verdict()
    {
        var facts = Facts(stock: 10);
        facts.OrdersById.Add(1, new WrittenOrder(1, "1", UserId: 8, GateEpoch: 1, SkuId: 1001, Quantity: 1));

        Assert.Null(BatchPlan.Decide([Of(1)], facts).Verdicts[0]);
    }

    [Theory]
    [InlineData(1002L, 1)]
    [InlineData(1001L, 2)]
    public void A_number_that_stands_for_something_else_is_refused(long skuId, int quantity)
    {
        var facts = Facts(stock: 10);
        facts.OrdersByClick.Add((7, "a"), new WrittenOrder(1, "1", UserId: 7, GateEpoch: 1, skuId, quantity));
        facts.OrdersById.Add(2, new WrittenOrder(2, "2", UserId: 7, GateEpoch: 1, skuId, quantity));
        var plan = BatchPlan.Decide([Of(3, click: "a"), Of(2)], facts);

        Assert.Equal(VerdictKind.Rejected, plan.Verdicts[0]!.Kind);
        Assert.False(plan.Verdicts[0]!.Success);
        Assert.Null(plan.Verdicts[1]);
    }

    [Fact]
    public void Gate_orders_beyond_the_limit_are_refused_and_foreign_ones_are_not_but_count()
    {
        var facts = Facts(stock: 10, limit: 3);
        facts.UnitsHeld.Add((1001, 7), 1);
        var plan = BatchPlan.Decide([Of(1, epoch: 1), Of(2, quantity: 2, epoch: 1), Of(3), Of(4, epoch: 1), Of(5)], facts);

        Assert.Equal(
            [VerdictKind.Accepted, VerdictKind.Rejected, VerdictKind.Accepted, VerdictKind.Rejected, VerdictKind.Accepted],
            plan.Verdicts.Select(v => v!.Kind));
        Assert.All(plan.Rejected, rejected => Assert.Equal("limit reached", rejected.Reason));
        Assert.Equal(3, plan.Taken[1001]);
    }

    private static BatchFacts Facts(int stock, long epoch = 1, int? limit = null)
    {
        var facts = new BatchFacts();
        facts.Skus.Add(1001, new SkuRow(1001, 1, "title", 9.9m, stock, "image", "{}", epoch) { LimitPerUser = limit });
        return facts;
    }

    private static OrderInHand Of(long id, int quantity = 1, string? click = null, long? epoch = null) =>
        new(
            Delivery, default, null,
            new OrderMessage { OrderId = id, UserId = 7, SkuId = 1001, Quantity = quantity, ClientOrderNo = click, Epoch = epoch }, click,
            default, null);
}
