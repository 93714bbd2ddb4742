using Seckill.Bench.Hops;

namespace Seckill.Tests.Bench;

/// <summary>Where an order's time went: each hop is timed from its spans, and traces that do not reach the answer are left out.</summary>
[Trait("Category", "Quick")]
public sealed class OrderHopsTests
{
    private const ulong NsPerMs = 1_000_000;

    [Fact]
    public void Each_hop_is_the_time_between_its_spans()
    {
        var order = Assert.Single(OrderHops.Of(
        [
            Span("t", "request", "", "POST /api/seckill/orders", 0, 20), Span("t", "reserve", "request", "reserve", 1, 8),
            Span("t", "publish", "request", "publish order", 9, 17), Span("t", "process", "publish", "process order", 15, 45),
        ]));

        Assert.Equal([1, 7, 1, 8, 3, 6, 30], order.Milliseconds);
        Assert.Equal(20, order.AnswerMs);
    }

    [Fact]
    public void An_order_that_no_worker_has_yet_has_no_times_of_a_worker()
    {
        var order = Assert.Single(OrderHops.Of(
        [
            Span("t", "request", "", "POST", 0, 20), Span("t", "reserve", "request", "reserve", 1, 8),
            Span("t", "publish", "request", "publish order", 7, 17),
        ]));

        Assert.Equal([1, 7, 0, 10, 3, null, null], order.Milliseconds);
    }

    [Theory]
    [InlineData("reserve")]
    [InlineData("publish order")]
    [InlineData("POST")]
    public void A_trace_without_the_whole_way_to_the_answer_is_left_out(string missing) => Assert.Empty(OrderHops.Of(
        new[]
        {
            Span("t", "request", "", "POST", 0, 20), Span("t", "reserve", "request", "reserve", 1, 8),
            Span("t", "publish", "request", "publish order", 9, 17), Span("other", "publish", "request", "publish order", 9, 17),
        }.Where(span => span.Name != missing)));

    [Fact]
    public void The_slowest_answers_come_first()
    {
        OrderHops[] orders = [.. new double[] { 3, 9, 1, 7 }.Select(milliseconds => new OrderHops([], milliseconds))];

        Assert.Equal([9, 7], OrderHops.Slowest(orders, 2).Select(order => order.AnswerMs));
    }

    [Theory]
    [InlineData(50, 2)]
    [InlineData(75, 3)]
    [InlineData(76, 4)]
    [InlineData(99, 4)]
    public void A_percentile_is_the_value_of_the_nearest_rank(double percent, double wanted) =>
        Assert.Equal(wanted, OrderHops.Percentile([4, 1, 3, 2], percent));

    [Fact]
    public void There_is_no_percentile_of_nothing() => Assert.Null(OrderHops.Percentile([], 50));

    private static ReceivedSpan Span(string trace, string id, string parent, string name, ulong startMs, ulong endMs) => new(
        trace, id, parent, name, "", "", startMs * NsPerMs, endMs * NsPerMs, new Dictionary<string, string>(), []);
}
