using System.Diagnostics;
using Seckill.Bench.Load;

namespace Seckill.Tests.Bench;

/// <summary>When requests may be sent, and when their latency starts to count.</summary>
[Trait("Category", "Quick")]
public sealed class LoadPaceTests
{
    private const long Minute = 60;

    private static readonly long MinuteAgo = Stopwatch.GetTimestamp() - (Minute * Stopwatch.Frequency);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Threads_that_share_a_rate_take_each_request_once_at_its_time(int threadCount)
    {
        const int PerSecond = 100, PerThread = 50;
        var due = Enumerable.Range(0, threadCount)
            .Select(thread => Take(new OpenPace(MinuteAgo, PerSecond, PerThread, thread, threadCount)))
            .SelectMany(taken => taken)
            .Order();

        Assert.Equal(Enumerable.Range(0, PerThread * threadCount).Select(i => MinuteAgo + (i * Stopwatch.Frequency / PerSecond)), due);
    }

    [Fact]
    public void Nothing_goes_before_it_is_due()
    {
        var pace = new OpenPace(Stopwatch.GetTimestamp(), requestsPerSecond: 1.0 / Minute, count: 2, thread: 0, threadCount: 1);
        Assert.Single(Take(pace));
        Assert.False(pace.IsOver);
        // A connection is free and not needed for a minute: the thread still checks for cancellation now and then.
        Assert.InRange(pace.WaitMs(anyIdle: true), 1, 1_000);
    }

    [Fact]
    public void A_closed_loop_ends_with_its_number_or_its_time()
    {
        Assert.Equal(7, Take(new ClosedPace(MinuteAgo, TimeSpan.MaxValue, count: 7)).Count);
        var over = new ClosedPace(MinuteAgo, TimeSpan.FromSeconds(Minute), long.MaxValue);
        Assert.Empty(Take(over));
        Assert.True(over.IsOver);
    }

    private static List<long> Take(LoadPace pace)
    {
        var taken = new List<long>();
        while (pace.TryTake(out var since))
        {
            taken.Add(since);
        }

        return taken;
    }
}
