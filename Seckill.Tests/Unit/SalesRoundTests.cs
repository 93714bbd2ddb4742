using Seckill.Api.Catalogue;

namespace Seckill.Tests.Unit;

[Trait("Category", "Quick")]
public sealed class SalesRoundTests
{
    private readonly List<long> _skuIds = [.. Enumerable.Range(1, (2 * SalesRound.StepMax) + 500).Select(id => (long)id)];
    private readonly SalesRound _round;

    public SalesRoundTests() => _round = new SalesRound(() => _skuIds);

    [Fact]
    public void All_come_once_in_a_round_and_then_the_first_again()
    {
        Assert.Equal(_skuIds, [.. _round.Next(), .. _round.Next(), .. _round.Next()]);
        Assert.Equal(_skuIds.Take(SalesRound.StepMax), _round.Next());
    }

    [Fact]
    public void What_was_not_looked_at_comes_next()
    {
        _round.Next();
        _round.ContinueBehind(10);
        Assert.Equal(_skuIds.Skip(10).Take(SalesRound.StepMax), _round.Next());
    }

    [Fact]
    public void Few_come_each_time_and_none_when_there_are_none()
    {
        _skuIds.RemoveRange(3, _skuIds.Count - 3);
        Assert.Equal([1, 2, 3], _round.Next());
        Assert.Equal([1, 2, 3], _round.Next());
        _round.ContinueBehind(3);
        Assert.Equal([1, 2, 3], _round.Next());
        _skuIds.Clear();
        Assert.Empty(_round.Next());
    }

    [Fact]
    public void Exactly_a_step_is_a_round()
    {
        _skuIds.RemoveRange(SalesRound.StepMax, _skuIds.Count - SalesRound.StepMax);
        Assert.Equal(_skuIds, _round.Next());
        Assert.Equal(_skuIds, _round.Next());
    }
}
