using Seckill.Api.Gate;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Unit;

/// <summary>The shield refuses losers from memory, but never after stock has been returned.</summary>
[Trait("Category", "Quick")]
public sealed class SoldOutShieldTests
{
    private const long Winner = 1;
    private const long Loser = 2;

    private static readonly HashSet<long> Buyers = [Winner];

    private readonly SoldOutShield _shield = new(new GateOptions(), new SetClock());

    [Fact]
    public void An_armed_shield_refuses_losers_until_it_is_opened()
    {
        var asked = _shield.Openings;
        Assert.True(_shield.Learn(SoldOut()));
        _shield.Arm(SoldOut(), Buyers, asked);

        Assert.True(_shield.Refuses(Loser));
        Assert.False(_shield.Refuses(Winner));
        _shield.Open();
        Assert.False(_shield.Refuses(Loser));
    }

    [Fact]
    public void A_reply_to_a_question_from_before_an_opening_does_not_arm_it()
    {
        var asked = _shield.Openings;
        Assert.True(_shield.Learn(SoldOut()));
        _shield.Open();

        _shield.Arm(SoldOut(), Buyers, asked);
        Assert.False(_shield.Refuses(Loser));

        _shield.Arm(SoldOut(), Buyers, _shield.Openings);
        Assert.True(_shield.Refuses(Loser));
    }

    [Fact]
    public void Replies_that_disarm_it_do_not_keep_a_later_one_from_arming_it()
    {
        // Calls in flight together: the first one leaves a unit, which is gone when Redis runs the second one.
        var asked = _shield.Openings;
        Assert.False(_shield.Learn(new ReserveReply(1, 1, 1, 1, [new ReserveResult(ReserveCode.Accepted, 7, 0)])));
        Assert.True(_shield.Learn(SoldOut()));

        _shield.Arm(SoldOut(), Buyers, asked);

        Assert.True(_shield.Refuses(Loser));
    }

    private static ReserveReply SoldOut() => new(1, 1, 0, 2, [new ReserveResult(ReserveCode.SoldOut, 0, 0)]);
}
