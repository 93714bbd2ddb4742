using Seckill.Ordering.Telemetry;

namespace Seckill.Tests.Unit;

/// <summary>The pulse as the console reads it.</summary>
[Trait("Category", "Quick")]
public sealed class InstancePulseTests
{
    private static readonly InstancePulse Pulse = new(
        "worker-host-7", InstancePulse.Worker, 2, 1, 10, 9, 8, 7, 6, 5, 4, new long[InstancePulse.LatencyUpperMs.Count + 1], 3, 1_000,
        "Degraded", ["redis: away"]);

    [Fact]
    public void The_bounds_grow_by_about_a_quarter_from_a_millisecond_to_ten_minutes()
    {
        var bounds = InstancePulse.LatencyUpperMs;
        Assert.Equal((1, 600_000), (bounds[0], bounds[^1]));
        Assert.InRange(bounds.Count, 50, 65);
        Assert.All(bounds.Zip(bounds.Skip(1)), pair => Assert.InRange(pair.Second, pair.First + 1, Math.Ceiling(pair.First * 1.25) + 1));
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(1.2, 1)]
    [InlineData(2, 1)]
    public void A_latency_belongs_to_the_first_bound_that_is_not_below_it(double milliseconds, int bucket) =>
        Assert.Equal(bucket, InstancePulse.BucketOf(milliseconds));

    [Fact]
    public void Values_above_all_bounds_have_a_bucket_of_their_own()
    {
        var last = InstancePulse.LatencyUpperMs.Count;
        Assert.Equal(
            (last - 1, last, last), (InstancePulse.BucketOf(600_000), InstancePulse.BucketOf(600_000.5), InstancePulse.BucketOf(1e18)));
    }

    [Fact]
    public void It_is_written_in_snake_case_and_read_back()
    {
        var json = Pulse.ToJson();
        Assert.Contains("\"started_ms\":1", json, StringComparison.Ordinal);
        Assert.Contains("\"queue_ready\":3", json, StringComparison.Ordinal);
        Assert.Contains("\"working_set_bytes\":1000", json, StringComparison.Ordinal);
        Assert.Equal(json, InstancePulse.TryParse(json)!.ToJson());
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("hello")]
    public void A_text_that_is_no_pulse_is_null(string text) => Assert.Null(InstancePulse.TryParse(text));

    [Fact]
    public void A_pulse_with_other_buckets_is_null() =>
        Assert.Null(InstancePulse.TryParse((Pulse with { ClickToCommit = [1, 2] }).ToJson()));
}
