using CsCheck;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Unit;

public sealed class OrderLimitsTests
{
    [Theory]
    [InlineData(1, 1, 1, null)]
    [InlineData(long.MaxValue, long.MaxValue, OrderLimits.QuantityMax, "A-z_0.9:")]
    public void Good_orders_have_no_fault(long user, long sku, int quantity, string? click) =>
        Assert.Null(OrderLimits.Validate(user, sku, quantity, click));

    [Theory]
    [InlineData(0, 1, 1, null, "user_id")]
    [InlineData(long.MinValue, 1, 1, null, "user_id")]
    [InlineData(1, -1, 1, null, "sku_id")]
    [InlineData(1, 1, 0, null, "quantity")]
    [InlineData(1, 1, int.MinValue, null, "quantity")]
    [InlineData(1, 1, OrderLimits.QuantityMax + 1, null, "quantity")]
    [InlineData(1, 1, 1, "", "client_order_no")]
    [InlineData(1, 1, 1, " ", "client_order_no")]
    [InlineData(1, 1, 1, "a\0", "client_order_no")]
    public void The_fault_names_the_member(long user, long sku, int quantity, string? click, string member) =>
        Assert.StartsWith(member, OrderLimits.Validate(user, sku, quantity, click), StringComparison.Ordinal);

    [Fact]
    public void The_clicks_number_ends_at_its_longest()
    {
        Assert.Null(OrderLimits.Validate(1, 1, 1, new string('a', OrderLimits.ClientOrderNoLengthMax)));
        Assert.NotNull(OrderLimits.Validate(1, 1, 1, new string('a', OrderLimits.ClientOrderNoLengthMax + 1)));
    }

    [Fact]
    public void No_accepted_click_can_break_a_Redis_record() =>
        Gen.String[Gen.Char, 1, 8].Sample(click =>
        {
            if (OrderLimits.Validate(1, 1, 1, click) is null)
            {
                Assert.All(click, c => Assert.True(c is > ' ' and < '\u007f' and not '|'));
            }
        });
}
