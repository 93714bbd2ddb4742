using System.Collections.Concurrent;
using CsCheck;
using Seckill.Ordering.Ids;

namespace Seckill.Tests.Unit;

[Trait("Category", "Quick")]
public sealed class SnowflakeSequenceTests
{
    private static readonly DateTimeOffset Epoch = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void An_id_is_time_then_node_then_sequence()
    {
        var sequence = new SnowflakeSequence(5, new SetClock { Now = Epoch.AddMilliseconds(1_000) });

        Assert.Equal((1_000L << 22) | (5L << 12), sequence.Next());
        Assert.Equal((1_000L << 22) | (5L << 12) | 1, sequence.Next());
    }

    [Fact]
    public void Whatever_the_clock_does_ids_rise_and_keep_their_node() =>
        // Steps of the clock, ms: forward, standing still, and back.
        Gen.Select(Gen.Int[0, SnowflakeSequence.NodeMax], Gen.Int[-50, 50].Array[1, 200]).Sample((node, steps) =>
        {
            var clock = new SetClock { Now = Epoch.AddDays(400) };
            var sequence = new SnowflakeSequence(node, clock);
            var last = 0L;
            foreach (var step in steps)
            {
                clock.Now = clock.Now.AddMilliseconds(step);
                var id = sequence.Next();
                Assert.True(id > last);
                Assert.Equal(node, (id >> 12) & SnowflakeSequence.NodeMax);
                last = id;
            }
        });

    [Fact]
    public void A_spent_millisecond_runs_on_into_the_next()
    {
        const int InOneMillisecond = 4_096;
        var sequence = new SnowflakeSequence(SnowflakeSequence.NodeMax, new SetClock { Now = Epoch.AddMilliseconds(7) });
        var ids = Enumerable.Range(0, InOneMillisecond + 1).Select(_ => sequence.Next()).ToArray();

        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.All(ids.SkipLast(1), id => Assert.Equal(7, id >> 22));
        Assert.Equal((8L << 22) | ((long)SnowflakeSequence.NodeMax << 12), ids[^1]);
    }

    [Fact]
    public void The_next_holder_of_a_node_begins_after_the_previous_one_though_its_clock_is_behind()
    {
        const int InThreeMilliseconds = 3 * 4_096;
        var before = new SnowflakeSequence(5, new SetClock { Now = Epoch.AddMilliseconds(1_000) });
        var used = Enumerable.Range(0, InThreeMilliseconds).Select(_ => before.Next()).ToArray();

        var next = new SnowflakeSequence(5, new SetClock { Now = Epoch.AddMilliseconds(10) }, before.LastAt);

        Assert.True(next.Next() > used[^1]);
    }

    [Fact]
    public async Task Many_callers_and_nodes_never_get_one_id_twice()
    {
        const int IdsPerCaller = 20_000;
        var sequences = new[] { 0, 1, SnowflakeSequence.NodeMax }.Select(node => new SnowflakeSequence(node, TimeProvider.System))
            .ToArray();
        var seen = new ConcurrentDictionary<long, bool>();

        await Task.WhenAll(Enumerable.Range(0, 6).Select(caller => Task.Run(() =>
        {
            for (var i = 0; i < IdsPerCaller; i++)
            {
                Assert.True(seen.TryAdd(sequences[caller % sequences.Length].Next(), true));
            }
        })));

        Assert.Equal(6 * IdsPerCaller, seen.Count);
        Assert.All(seen.Keys.Take(100), id => Assert.True(id > 0));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(SnowflakeSequence.NodeMax + 1)]
    public void A_node_outside_ten_bits_is_refused(int node) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new SnowflakeSequence(node, TimeProvider.System));

    private sealed class SetClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
