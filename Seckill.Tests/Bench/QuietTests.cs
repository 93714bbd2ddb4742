using Seckill.Bench.Bench;

namespace Seckill.Tests.Bench;

[Trait("Category", "Quick")]
public sealed class QuietTests
{
    [Fact]
    public void The_share_of_busy_processors_is_read_from_the_kernel_without_what_the_host_took()
    {
        var before = Quiet.Parse("cpu  100 10 50 1000 40 5 5 900 0 0");
        var now = Quiet.Parse("cpu  130 10 60 1050 40 5 15 1900 0 0");
        Assert.Equal((170, 1040), before);
        Assert.Equal(0.5, Quiet.BusyShare(before, now));
        Assert.Equal(0, Quiet.BusyShare(now, now));
    }
}
