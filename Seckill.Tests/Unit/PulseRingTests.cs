using Seckill.Console.Pulse;
using Seckill.Ordering.Telemetry;

namespace Seckill.Tests.Unit;

/// <summary>The live figures from the instances' pulses.</summary>
[Trait("Category", "Quick")]
public sealed class PulseRingTests
{
    private const long StartMs = 1_000_000_000;

    private static readonly InstancePulse Api = new(
        "api-1", InstancePulse.Api, 0, StartMs - 60_000, 0, 0, 0, 0, 0, 0, 0, NoLatencies, null, 1, "Healthy", []);

    private static readonly InstancePulse Worker = Api with { Instance = "worker-1", Role = InstancePulse.Worker, QueueReady = 0 };

    private readonly PulseRing _ring = new(StartMs);

    private static long[] NoLatencies => new long[InstancePulse.LatencyUpperMs.Count + 1];

    [Fact]
    public void Growth_from_before_anybody_listened_is_not_counted()
    {
        Take(Api with { Requests = 1_000 }, 500);
        Take(Api with { Requests = 1_100 }, 1_500);
        Assert.Equal(100, Sum(Draw(6_000), second => second.Requests), 6);
    }

    [Fact]
    public void Growth_is_spread_over_the_time_in_which_it_happened()
    {
        Take(Api, 1_500);
        Take(Api with { Requests = 100, Accepted = 40 }, 3_500);
        var seconds = Draw(6_000).Seconds;
        Assert.Equal([0, 25, 50, 25, 0], seconds.Select(second => Math.Round(second.Requests, 6)));
        Assert.Equal(40, seconds.Sum(second => second.Accepted), 6);
    }

    [Fact]
    public void A_restarted_instance_counts_from_zero_again()
    {
        Take(Api with { Requests = 1_000 }, 1_000);
        Take(Api with { Requests = 1_010 }, 2_000);
        // The counters fell: for the same instance that would be negative growth.
        Take(Api with { Requests = 7, StartedMs = StartMs + 2_200 }, 3_000);
        Assert.Equal(17, Sum(Draw(8_000), second => second.Requests), 6);
        Assert.Equal(StartMs + 2_200, Assert.Single(Draw(8_000).Instances).StartedMs);
    }

    [Fact]
    public void A_pulse_that_comes_twice_or_late_counts_once()
    {
        Take(Api, 1_000);
        Take(Api with { Requests = 10 }, 2_000);
        Take(Api with { Requests = 10 }, 2_000);
        Take(Api with { Requests = 4 }, 1_500);
        Take(Api with { Requests = 12 }, 3_000);
        Assert.Equal(12, Sum(Draw(8_000), second => second.Requests), 6);
    }

    [Fact]
    public void An_instance_is_gone_after_five_seconds_and_forgotten_after_a_minute()
    {
        Take(Api, 1_000);
        Assert.False(Assert.Single(Draw(6_000).Instances).Gone);
        Assert.True(Assert.Single(Draw(6_001).Instances).Gone);
        Assert.Single(Draw(61_000).Instances);
        Assert.Empty(Draw(61_001).Instances);
    }

    [Fact]
    public void A_server_is_reached_while_no_instance_that_is_heard_complains_of_it()
    {
        Assert.All(ServerHealth.Of(Draw(500).Instances), server => Assert.Null(server.Reached));
        Take(Api, 1_000);
        Take(Worker with { Health = "Unhealthy", Complaints = ["OrderingDbContext: away", "consuming: no"] }, 1_000);
        var servers = ServerHealth.Of(Draw(2_000).Instances);
        Assert.Equal(
            [("Redis", true), ("RabbitMQ", true), ("MySQL", false)], servers.Select(server => (server.Server, server.Reached!.Value)));
        Assert.Equal(["worker-1: away"], servers[2].Complaints);

        // The worker's last figures no longer count once it is gone.
        Take(Api, 7_000);
        Assert.True(ServerHealth.Of(Draw(7_000).Instances)[2].Reached);
    }

    [Fact]
    public void Orders_wait_from_being_accepted_to_being_written()
    {
        Take(Api, 1_000);
        Take(Worker, 1_000);
        Take(Api with { Accepted = 100 }, 2_000);
        Take(Worker with { Committed = 30, Rejected = 10 }, 2_000);
        Take(Worker with { Committed = 80, Rejected = 10 }, 3_000);
        Assert.Equal([0, 60, 10], Draw(5_000).Seconds.Select(second => second.Waiting).Skip(0).Take(3));
    }

    [Fact]
    public void Nothing_is_left_waiting_when_the_workers_word_comes_before_the_apis()
    {
        Take(Api, 1_000);
        Take(Worker, 1_000);
        Take(Worker with { Committed = 100 }, 2_000);
        Take(Api, 2_000);
        Take(Api with { Accepted = 100 }, 3_000);
        Assert.All(Draw(6_000).Seconds, second => Assert.Equal(0, second.Waiting));
    }

    [Fact]
    public void Orders_of_which_no_counter_will_tell_do_not_wait_for_ever()
    {
        Take(Api, 1_000);
        Take(Api with { Accepted = 5 }, 2_000);
        Assert.Equal(5, Draw(9_000).Now.Waiting);
        Assert.Equal(0, Draw(20_000).Now.Waiting);
    }

    [Fact]
    public void Percentiles_are_of_what_was_written_in_the_last_minute()
    {
        Take(Worker, 1_000);
        var latencies = NoLatencies;
        latencies[InstancePulse.BucketOf(10)] = 98;
        latencies[InstancePulse.BucketOf(1_000)] = 2;
        Take(Worker with { Committed = 100, ClickToCommit = latencies }, 2_000);
        var picture = Draw(5_000);
        Assert.InRange(picture.P50Ms!.Value, 7, 13);
        Assert.InRange(picture.P99Ms!.Value, 750, 1_250);
        Assert.Equal(picture.P99Ms, picture.Seconds[^1].P99Ms);
        Assert.Null(Draw(70_000).P50Ms);
    }

    [Fact]
    public void Only_so_many_instances_are_listened_to()
    {
        for (var number = 0; number <= PulseRing.InstancesMax; number++)
        {
            Take(Api with { Instance = $"api-{number}" }, 1_000);
        }

        Assert.Equal(PulseRing.InstancesMax, Draw(1_500).Instances.Count);
    }

    [Fact]
    public void The_ring_goes_round_and_keeps_five_minutes()
    {
        for (var second = 1; second <= 1_000; second++)
        {
            Take(Api with { Requests = second }, second * 1_000);
        }

        var seconds = Draw(1_000_000).Seconds;
        Assert.Equal(PulseRing.DrawnSeconds, seconds.Count);
        Assert.All(seconds, second => Assert.Equal(1, second.Requests, 6));
    }

    private static double Sum(LivePicture picture, Func<LiveSecond, double> pick) => picture.Seconds.Sum(pick);

    private void Take(InstancePulse pulse, long afterMs) => _ring.Take(pulse with { AtMs = StartMs + afterMs }, StartMs + afterMs);

    private LivePicture Draw(long afterMs) => _ring.Draw(StartMs + afterMs);
}
