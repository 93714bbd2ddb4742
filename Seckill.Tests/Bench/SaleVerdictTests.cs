using Seckill.Bench.Audit;
using Seckill.Bench.Load;

namespace Seckill.Tests.Bench;

/// <summary>The audit of the demonstration must detect everything that can go wrong: an audit that never fails proves nothing.</summary>
[Trait("Category", "Quick")]
public sealed class SaleVerdictTests
{
    private static readonly Answer Alice = Queued(1, 101);
    private static readonly Answer Bob = Queued(2, 102);
    private static readonly Answer Carol = new(Buyer(3), AskOutcome.Refused, 0, "sold out (400)");

    private static readonly SaleBooks Before = Books(stock: 2, gate: 2);

    [Fact]
    public void A_sale_that_went_well_is_clean()
    {
        var verdict = SaleVerdict.Of(Before, Books(0, 0, Order(Alice), Order(Bob)), [Alice, Bob, Carol], [Told(Alice), Told(Bob)]);

        Assert.Equal(new SaleVerdict(0, 0, 0, 0, 0, 0), verdict);
        Assert.True(verdict.Clean);
    }

    [Fact]
    public void An_honest_failure_is_clean()
    {
        var after = Books(1, 1, Order(Alice)) with { RejectedOrderIds = new HashSet<long> { Bob.OrderId } };

        Assert.True(SaleVerdict.Of(Before, after, [Alice, Bob], [Told(Alice), Told(Bob, FinalState.Failed)]).Clean);
    }

    [Fact]
    public void More_units_in_orders_than_there_were_is_oversold() =>
        Assert.Equal(1, SaleVerdict.Of(
            Books(1, 1), Books(0, 0, Order(Alice), Order(Bob)), [Alice, Bob], [Told(Alice), Told(Bob)]).Oversold);

    [Fact]
    public void Orders_from_before_count_as_sold_before() =>
        Assert.True(SaleVerdict.Of(
            Books(1, 1, Order(Bob)), Books(0, 0, Order(Bob), Order(Alice)), [Alice], [Told(Alice)]).Clean);

    [Fact]
    public void Queued_without_order_or_rejection_is_lost() =>
        Assert.Equal(1, SaleVerdict.Of(Before, Books(1, 1, Order(Alice)), [Alice, Bob], [Told(Alice), Told(Bob)]).Lost);

    [Fact]
    public void Queued_without_a_final_answer_is_lost_even_with_an_order() =>
        Assert.Equal(1, SaleVerdict.Of(
            Before, Books(0, 0, Order(Alice), Order(Bob)), [Alice, Bob], [Told(Alice), Told(Bob, FinalState.Unknown)]).Lost);

    [Fact]
    public void Queued_and_never_asked_after_is_lost() =>
        Assert.Equal(1, SaleVerdict.Of(Before, Books(0, 0, Order(Alice), Order(Bob)), [Alice, Bob], [Told(Alice)]).Lost);

    [Fact]
    public void Two_orders_for_one_click_are_doubled() =>
        Assert.Equal(1, SaleVerdict.Of(
            Before, Books(0, 0, Order(Alice), Order(Alice) with { OrderId = 999 }), [Alice], [Told(Alice)]).Doubled);

    [Fact]
    public void Told_failed_with_an_order_or_refused_with_one_is_a_contradiction()
    {
        Assert.Equal(1, SaleVerdict.Of(Before, Books(1, 1, Order(Alice)), [Alice], [Told(Alice, FinalState.Failed)]).Contradicted);
        Assert.Equal(1, SaleVerdict.Of(
            Before, Books(1, 1, Order(Alice) with { UserId = Carol.Buyer.UserId, OrderId = 5 }), [Carol], []).Contradicted);
        var rejected = Books(2, 2) with { RejectedOrderIds = new HashSet<long> { Alice.OrderId } };
        Assert.Equal(1, SaleVerdict.Of(Before, rejected, [Alice], [Told(Alice)]).Contradicted);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(1, 2)]
    public void Units_that_are_nowhere_or_twice_are_leaked(long mySql, long gate) =>
        Assert.Equal(1, SaleVerdict.Of(Before, Books(mySql, gate, Order(Alice)), [Alice], [Told(Alice)]).Leaked);

    [Fact]
    public void A_click_without_an_answer_is_not_clean() =>
        Assert.False(SaleVerdict.Of(Before, Books(2, 2), [new Answer(Buyer(4), AskOutcome.NoAnswer, 0, "refused")], []).Clean);

    private static Buyer Buyer(long id) => new(id, "token", $"click-{id}");

    private static Answer Queued(long user, long orderId) => new(Buyer(user), AskOutcome.Queued, orderId, "");

    private static Outcome Told(Answer answer, FinalState state = FinalState.Success) => new(answer, state, "");

    private static BookedOrder Order(Answer answer) => new(answer.OrderId, answer.Buyer.UserId, 1, Live: true, default, "");

    private static SaleBooks Books(long stock, long gate, params BookedOrder[] orders) => new(orders, new HashSet<long>(), stock, gate);
}
