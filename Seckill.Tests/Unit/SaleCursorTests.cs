using Seckill.Api.Catalogue;

namespace Seckill.Tests.Unit;

[Trait("Category", "Quick")]
public sealed class SaleCursorTests
{
    private readonly List<long> _skuIds = [.. Enumerable.Range(1, (2 * SaleCursor.StepMax) + 500).Select(id => (long)id)];
    private readonly SaleCursor _cursor;

    public SaleCursorTests() => _cursor = new SaleCursor(() => _skuIds);

    [Fact]
    public void All_come_once_in_a_round_and_then_the_first_again()
    {
        Assert.Equal(_skuIds, [.. _cursor.Next(), .. _cursor.Next(), .. _cursor.Next()]);
        Assert.Equal(_skuIds.Take(SaleCursor.StepMax), _cursor.Next());
    }

    [Fact]
    public void SKUs_that_were_not_looked_at_come_next()
    {
        _cursor.Next();
        _cursor.ContinueBehind(10);
        Assert.Equal(_skuIds.Skip(10).Take(SaleCursor.StepMax), _cursor.Next());
    }

    [Fact]
    public void Few_come_each_time_and_none_when_there_are_none()
    {
        _skuIds.RemoveRange(3, _skuIds.Count - 3);
        Assert.Equal([1, 2, 3], _cursor.Next());
        Assert.Equal([1, 2, 3], _cursor.Next());
        _cursor.ContinueBehind(3);
        Assert.Equal([1, 2, 3], _cursor.Next());
        _skuIds.Clear();
        Assert.Empty(_cursor.Next());
    }

    [Fact]
    public void Exactly_a_step_is_a_round()
    {
        _skuIds.RemoveRange(SaleCursor.StepMax, _skuIds.Count - SaleCursor.StepMax);
        Assert.Equal(_skuIds, _cursor.Next());
        Assert.Equal(_skuIds, _cursor.Next());
    }
}
