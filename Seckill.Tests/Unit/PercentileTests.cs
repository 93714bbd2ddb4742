using Seckill.Console.Pulse;
using Seckill.Ordering.Telemetry;

namespace Seckill.Tests.Unit;

/// <summary>Percentiles from bucket counts.</summary>
[Trait("Category", "Quick")]
public sealed class PercentileTests
{
    private static readonly IReadOnlyList<int> Bounds = InstancePulse.LatencyUpperMs;

    [Fact]
    public void Of_nothing_there_is_none() => Assert.Null(Percentile.Of(new long[Bounds.Count + 1], 0.5));

    [Fact]
    public void Within_a_bucket_it_lies_on_a_straight_line()
    {
        var counts = new long[Bounds.Count + 1];
        counts[20] = 100;
        Assert.Equal(Bounds[19] + (Bounds[20] - Bounds[19]) * 0.5, Percentile.Of(counts, 0.5)!.Value, 6);
        Assert.Equal(Bounds[20], Percentile.Of(counts, 1)!.Value, 6);
    }

    [Fact]
    public void Empty_buckets_between_do_not_matter()
    {
        var counts = new long[Bounds.Count + 1];
        (counts[3], counts[30]) = (99, 1);
        Assert.InRange(Percentile.Of(counts, 0.99)!.Value, Bounds[2], Bounds[3]);
        Assert.InRange(Percentile.Of(counts, 0.995)!.Value, Bounds[29], Bounds[30]);
    }

    [Fact]
    public void Above_the_last_bound_it_is_the_last_bound()
    {
        var counts = new long[Bounds.Count + 1];
        counts[^1] = 1;
        Assert.Equal(Bounds[^1], Percentile.Of(counts, 0.5));
    }
}
