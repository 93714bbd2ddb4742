using Seckill.Api.Gate;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Unit;

public sealed class PurchaseAttemptTests
{
    private static readonly ReserveRequest Request = new(11, 7, 1, "front-1", null);

    [Fact]
    public async Task A_failure_after_the_reservation_leaves_the_answer_to_the_broker()
    {
        var click = new PurchaseAttempt(new SkuKeys(1), Request, default, null);
        click.Accept(new ReserveReply(1, 1, 0, 1, []));

        click.Fail(new TimeoutException("Redis, while the shield was armed"));

        Assert.False(click.Answered.IsCompleted);
        click.Complete(confirmed: true);
        Assert.Equal(new ReserveResult(ReserveCode.Accepted, 11, 0), await click.Answered);
    }

    [Fact]
    public async Task A_failure_before_the_reservation_is_the_answer()
    {
        var click = new PurchaseAttempt(new SkuKeys(1), Request, default, null);

        click.Fail(new TimeoutException("Redis, asked for the reservation"));

        await Assert.ThrowsAsync<TimeoutException>(() => click.Answered);
    }
}
