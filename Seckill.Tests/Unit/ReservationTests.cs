using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Unit;

[Trait("Category", "Quick")]
public sealed class ReservationTests
{
    [Fact]
    public void A_pending_record_has_seven_parts() =>
        Assert.Equal(
            new Reservation(9, OrderState.Pending, 2, 7, 3, 1_764_000_000_000, "c:1", "00-aa-bb-01", null, null),
            Reservation.Parse(9, "P|2|7|3|1764000000000|c:1|00-aa-bb-01"));

    [Fact]
    public void Empty_parts_are_none() =>
        Assert.Equal(
            new Reservation(9, OrderState.Pending, 1, 7, 1, 5, null, null, null, null),
            Reservation.Parse(9, "P|1|7|1|5||"));

    [Theory]
    [InlineData("S|1|7|-1|5|||6|SN1", OrderState.Success, "SN1")]
    [InlineData("F|1|7|-1|5|||6|a reason | with bars", OrderState.Failed, "a reason | with bars")]
    [InlineData("F|1|7|-1|5|||6|", OrderState.Failed, "")]
    public void A_settled_record_has_time_and_detail(string record, OrderState state, string detail) =>
        Assert.Equal(new Reservation(9, state, 1, 7, -1, 5, null, null, 6, detail), Reservation.Parse(9, record));

    [Fact]
    public void A_settled_record_keeps_the_time_of_the_confirm() =>
        Assert.Equal(
            new Reservation(9, OrderState.Success, 1, 7, 1, 5, null, null, 6, "9", ConfirmedAtMs: 4),
            Reservation.Parse(9, "S|1|7|1|5|||6,4|9"));

    [Theory]
    [InlineData("")]
    [InlineData("P")]
    [InlineData("P|1|7|1|5|c")]
    [InlineData("X|1|7|1|5|c|t")]
    [InlineData("P|one|7|1|5|c|t")]
    [InlineData("P|1||1|5|c|t")]
    [InlineData("P|99999999999|7|1|5|c|t")]
    [InlineData("S|1|7|9223372036854775808|5|||6|9")]
    public void A_foreign_record_is_recognised(string record) =>
        Assert.Throws<FormatException>(() => Reservation.Parse(9, record));
}
