using Seckill.Api.Reconciliation;
using Seckill.Ordering.Ids;

namespace Seckill.Tests.Unit;

/// <summary>Which unsettled orders are due for a repair, and which books are healthy.</summary>
[Trait("Category", "Quick")]
public sealed class StuckOrdersTests
{
    private const int StuckAfterMs = 30_000;
    private const int RepublishPauseMsMax = 600_000;

    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly ReconciliationOptions Options = new()
    {
        StuckAfterMs = StuckAfterMs,
        RepublishPauseMsMax = RepublishPauseMsMax,
    };

    private static readonly ReconciliationItem Healthy = new(
        "1001", RedisStock: 7, Held: 2, Unsettled: 2, Unconfirmed: 0, CommittedUnsettled: 0, OldestUnsettledAtMs: 1, MysqlStock: 9,
        LiveUnits: 1, Units: 10, Difference: 0, StoreDifference: 0, Loaded: true, Repair: null, Unreadable: null);

    [Theory]
    [InlineData(-StuckAfterMs - 1, true)]
    [InlineData(-StuckAfterMs, false)]
    [InlineData(0, false)]
    [InlineData(StuckAfterMs, false)]
    [InlineData(StuckAfterMs + 1, true)]
    [InlineData(86_400_000, true)]
    public void An_order_is_old_by_its_id_and_so_is_one_from_the_future(int clockMs, bool old) =>
        Assert.Equal(old, StuckOrders.IsOld(IdOf(Now.AddMilliseconds(clockMs)), Now, Options));

    /// <summary>The repair of an order with an id from the future is not put off until that time either.</summary>
    [Fact]
    public void An_order_with_an_id_from_the_future_is_published_again_as_soon_as_a_young_one() =>
        Assert.Equal(Now.AddMilliseconds(StuckAfterMs), StuckOrders.RepublishAt(Now.AddDays(1), Now, Options));

    /// <summary>Each pause doubles the time since the click, up to the longest one.</summary>
    [Theory]
    [InlineData(1, StuckAfterMs)]
    [InlineData(120_000, 120_000)]
    [InlineData(3_600_000, RepublishPauseMsMax)]
    public void An_order_that_is_lost_again_and_again_is_published_ever_less_often(int waitedMs, int pauseMs) =>
        Assert.Equal(Now.AddMilliseconds(pauseMs), StuckOrders.RepublishAt(Now.AddMilliseconds(-waitedMs), Now, Options));

    [Fact]
    public void Books_that_balance_are_healthy_also_where_less_important_numbers_are_unknown()
    {
        Assert.True(ReconciliationEndpoints.IsHealthy(Healthy));
        Assert.True(ReconciliationEndpoints.IsHealthy(Healthy with { HeldDifference = null, StoreDifference = null, Units = null }));
    }

    [Fact]
    public void Books_that_differ_or_are_not_compared_are_not_healthy()
    {
        ReconciliationItem[] unwell =
        [
            Healthy with { Difference = null, CommittedUnsettled = null }, Healthy with { Difference = 1 },
            Healthy with { StoreDifference = 1 }, Healthy with { HeldDifference = 1 }, Healthy with { Loaded = false },
            Healthy with { Unreadable = "locked" }, Healthy with { SaleGone = true },
            Healthy with { Lost = new LostOrdersItem(1, 0, 0, ["1"]) },
        ];
        Assert.All(unwell, item => Assert.False(ReconciliationEndpoints.IsHealthy(item)));
    }

    private static long IdOf(DateTimeOffset at) => new SnowflakeSequence(1, new Clock(at)).Next();

    private sealed class Clock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
