using Seckill.Bench.Bench;

namespace Seckill.Tests.Bench;

/// <summary>Medians and ratios: one bad round must not decide.</summary>
[Trait("Category", "Quick")]
public sealed class RecorderTests
{
    [Fact]
    public void The_median_is_the_middle_round()
    {
        var recorder = new Recorder();
        foreach (var rate in (double[])[10, 1_000, 12])
        {
            recorder.Add("write", Contest.Ours, new Measurement(rate, P99Ms: rate / 2));
        }

        var median = recorder.MedianOf("write", Contest.Ours)!;
        Assert.Equal((12.0, 6.0, null), (median.PerSecond, median.P99Ms!.Value, median.Seconds));
        Assert.Null(recorder.MedianOf("write", Contest.Textbook));
    }

    [Fact]
    public void Of_an_even_number_it_is_the_mean_of_the_middle_two() => Assert.Equal(2.5, Recorder.Median([4, null, 1, 2, 3]));

    [Fact]
    public void Of_none_it_is_none() => Assert.Null(Recorder.Median([null]));

    [Fact]
    public void A_target_is_ours_by_theirs_and_silent_about_what_did_not_run()
    {
        var recorder = new Recorder();
        recorder.Add(RouteStages.Refuse, OtherStages.EmptyEndpoint, new Measurement(300));
        recorder.Add(RouteStages.Refuse, RouteStages.EmptyApi, new Measurement(100));
        Assert.Equal([3], Target.All[0].Ratios(recorder));
        Assert.All(Target.All.Skip(1), target => Assert.Empty(target.Ratios(recorder)));
    }

    [Fact]
    public void A_target_of_an_amount_is_met_below_it_and_by_what_costs_nothing()
    {
        var recorder = new Recorder();
        foreach (var cpu in (ReadOnlySpan<double>)[44, 26, 19])
        {
            recorder.Add(RouteStages.Refuse, OtherStages.EmptyEndpoint, new Measurement(1, CpuUs: cpu));
            recorder.Add(RouteStages.Refuse, RouteStages.EmptyApi, new Measurement(1, CpuUs: 20));
        }

        var target = Assert.Single(Target.All, target => target.Text.StartsWith("12 us", StringComparison.Ordinal));
        Assert.Equal([0.5, 2, double.MaxValue], target.Ratios(recorder));
    }

    [Fact]
    public void A_target_compares_within_a_round_so_that_a_slow_one_is_slow_for_both()
    {
        var recorder = new Recorder();
        foreach (var (ours, theirs) in (ReadOnlySpan<(double, double)>)[(300, 100), (60, 30), (200, 90)])
        {
            recorder.Add(RouteStages.Refuse, OtherStages.EmptyEndpoint, new Measurement(ours));
            recorder.Add(RouteStages.Refuse, RouteStages.EmptyApi, new Measurement(theirs));
        }

        Assert.Equal([3, 2, 200.0 / 90], Target.All[0].Ratios(recorder));
    }
}
