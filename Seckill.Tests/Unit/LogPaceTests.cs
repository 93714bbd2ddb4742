using Seckill.Api.Errors;

namespace Seckill.Tests.Unit;

/// <summary>An outage writes one line a second, and that line says how many it stands for.</summary>
[Trait("Category", "Quick")]
public sealed class LogPaceTests
{
    [Fact]
    public void The_first_failure_has_a_line_and_the_next_line_tells_of_all_since()
    {
        var clock = new SetClock();
        var pace = new LogPace(clock);

        Assert.Equal(1, pace.Take());
        Assert.Null(pace.Take());
        clock.Move(TimeSpan.FromMilliseconds(999));
        Assert.Null(pace.Take(2));
        clock.Move(TimeSpan.FromMilliseconds(1));
        Assert.Equal(4, pace.Take());
        clock.Move(TimeSpan.FromSeconds(5));
        Assert.Equal(1, pace.Take());
    }
}
