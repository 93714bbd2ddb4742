using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Parking;

namespace Seckill.Tests.Unit;

/// <summary>When a SKU that failed is tried again.</summary>
[Trait("Category", "Quick")]
public sealed class SkuCircuitBreakerTests
{
    private readonly SettableTime _time = new();
    private readonly SkuCircuitBreaker _breaker;

    public SkuCircuitBreakerTests() => _breaker = new SkuCircuitBreaker(_time);

    [Fact]
    public void A_SKU_that_failed_is_left_alone_for_as_long_as_its_orders_are_parked()
    {
        _breaker.Open(7, "locked");
        Assert.Equal("locked", _breaker.ReasonOf(7));
        Assert.Null(_breaker.ReasonOf(8));
        _time.Advance(OrderTopology.ParkedMs);
        Assert.Null(_breaker.ReasonOf(7));
    }

    [Fact]
    public void It_is_left_alone_for_longer_when_it_fails_again_up_to_a_bound()
    {
        foreach (var factor in (int[])[1, 2, 3, 3])
        {
            _breaker.Open(7, "locked");
            // A batch that was already under way fails as well, which counts as the same failure.
            _breaker.Open(7, "locked");
            _time.Advance((factor * OrderTopology.ParkedMs) - 1);
            Assert.NotNull(_breaker.ReasonOf(7));
            _time.Advance(1);
            Assert.Null(_breaker.ReasonOf(7));
        }
    }

    [Fact]
    public void A_success_begins_anew()
    {
        _breaker.Open(7, "locked");
        _breaker.Close([7]);
        Assert.Null(_breaker.ReasonOf(7));
        _breaker.Open(7, "locked");
        _time.Advance(OrderTopology.ParkedMs);
        Assert.Null(_breaker.ReasonOf(7));
    }

    private sealed class SettableTime : TimeProvider
    {
        private long _timestamp;

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => _timestamp;

        public void Advance(int milliseconds) => _timestamp += milliseconds;
    }
}
