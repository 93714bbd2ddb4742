using System.Diagnostics;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Writing;

namespace Seckill.Tests.Unit;

/// <summary>The order in which the parts of a batch are written.</summary>
[Trait("Category", "Quick")]
public sealed class WriteAttemptTests
{
    private readonly WriteAttempt _attempt = new(new OrderBatch(0), new Backoff(new WorkerOptions(), TimeProvider.System));

    private IEnumerable<long> Next => _attempt.Next?.Select(order => order.OrderId) ?? [];

    [Fact]
    public void Returned_orders_follow_the_others_which_show_that_MySQL_accepts_orders()
    {
        _attempt.Begin([Returned(1), New(2), Returned(3), New(4)]);

        Assert.Equal([2L, 4L], Next);
        Assert.False(_attempt.IsReturned);
        _attempt.PopWritten();
        Assert.Equal([1L, 3L], Next);
        Assert.Equal((true, true), (_attempt.IsReturned, _attempt.TakesOthers));
        _attempt.PopWritten();
        Assert.Null(_attempt.Next);
    }

    [Fact]
    public void A_commit_proves_nothing_after_a_lost_connection()
    {
        _attempt.Begin([Returned(1), New(2)]);
        _attempt.PopWritten();
        _attempt.ForgetCommit();
        Assert.False(_attempt.TakesOthers);

        // A probe does.
        _attempt.TakesOthers = true;
        _attempt.ForgetCommit();
        Assert.True(_attempt.TakesOthers);
    }

    [Fact]
    public void Nothing_is_known_about_MySQL_before_something_was_written()
    {
        _attempt.Begin([Returned(1), Returned(2)]);

        Assert.Equal((true, false), (_attempt.IsReturned, _attempt.TakesOthers));
    }

    [Fact]
    public void Orders_that_are_new_say_nothing_about_each_other()
    {
        _attempt.Push([New(1)]);
        _attempt.Push([New(2)]);
        _attempt.PopWritten();

        Assert.Equal([1L], Next);
        Assert.False(_attempt.TakesOthers);
    }

    [Fact]
    public void A_part_that_fails_is_halved_and_a_returned_one_is_taken_apart()
    {
        Assert.Equal("2 1", SizesAfterSplitOf([New(1), New(2), New(3)]));
        Assert.Equal("1 1 1", SizesAfterSplitOf([Returned(1), Returned(2), Returned(3)]));
    }

    [Fact]
    public void The_parts_of_a_failed_one_can_be_taken_out()
    {
        _attempt.PushSplit([New(1), New(2), New(3)]);
        _attempt.Push([New(4)]);

        Assert.Equal([1L, 2L, 3L], _attempt.PopFailed().Select(order => order.OrderId));
        Assert.Equal([4L], Next);
        _attempt.Pop();
        Assert.Null(_attempt.Next);
    }

    /// <summary>Else those of one SKU could take all the time there is, each time that they come back.</summary>
    [Fact]
    public void Returned_orders_of_several_SKUs_are_tried_in_turns()
    {
        const int Each = 20;
        long[] ids = [.. Enumerable.Range(1, Each)];
        _attempt.PushSplit([.. ids.Select(id => Returned(id, skuId: 1)), .. ids.Select(id => Returned(Each + id, skuId: 2))]);

        var tried = new List<OrderInHand>();
        for (; _attempt.Next is { } part; _attempt.Pop())
        {
            tried.Add(Assert.Single(part));
        }

        Assert.All(tried.Chunk(2), pair => Assert.Equal([1L, 2L], pair.Select(order => order.Message.SkuId).Order()));
        Assert.Equal([.. ids, .. ids.Select(id => Each + id)], tried.Select(order => order.OrderId).Order());
        Assert.NotEqual(ids, tried.Where(order => order.Message.SkuId == 1).Select(order => order.OrderId));
    }

    private string SizesAfterSplitOf(List<OrderInHand> failed)
    {
        var sizes = new List<int>();
        for (_attempt.PushSplit(failed); _attempt.Next is { } part; _attempt.Pop())
        {
            sizes.Add(part.Count);
        }

        return string.Join(' ', sizes);
    }

    private static OrderInHand New(long id) => Of(id, []);

    private static OrderInHand Returned(long id, long skuId = 1001) =>
        Of(id, new() { [DeadLetterHeaders.ParkedAt] = "2030-01-01T00:00:00Z" }, skuId);

    private static OrderInHand Of(long id, Dictionary<string, object?> headers, long skuId = 1001) => new(
        new Delivery(1, [], new BasicProperties { Headers = headers }, default(ActivityContext), DateTimeOffset.UnixEpoch, 0), default,
        null, new OrderMessage { OrderId = id, UserId = 7, SkuId = skuId, Quantity = 1 }, null, default, null);
}
