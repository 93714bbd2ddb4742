using Seckill.Ordering.Holding;

namespace Seckill.Tests.Unit;

/// <summary>The messages that are known to have gone through the queue and the workers' hands.</summary>
[Trait("Category", "Quick")]
public sealed class QueuePassageTests
{
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly SetClock _time = new();
    private readonly QueuePassage _passage;

    public QueuePassageTests() => _passage = new QueuePassage(_time, Margin);

    [Fact]
    public void A_queue_that_is_empty_once_says_nothing_of_what_is_in_hands()
    {
        Look(oldestAge: TimeSpan.Zero);

        Assert.Null(_passage.ThroughUntil);
    }

    [Fact]
    public void Messages_from_before_the_queue_was_empty_are_through_once_all_held_ones_were_picked_up_later()
    {
        var emptyAt = Look(oldestAge: 60 * Second);
        _time.Move(20 * Second);
        Look(oldestAge: (20 * Second) - Margin);
        Assert.Null(_passage.ThroughUntil);

        _time.Move(Second);
        var later = Look(oldestAge: (20 * Second) - Margin);
        Assert.Equal(emptyAt, _passage.ThroughUntil);

        // It is empty at that moment, too.
        _time.Move(Margin + Second);
        Look(oldestAge: TimeSpan.Zero);
        Assert.Equal(later, _passage.ThroughUntil);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(null)]
    public void Nothing_is_through_while_a_worker_says_nothing(int? speaking)
    {
        Look(oldestAge: TimeSpan.Zero);
        _time.Move(60 * Second);

        _passage.NoteEmpty(_time.GetTimestamp(), workers: 2, speaking is { } count ? new Holdings(count, TimeSpan.Zero) : null);

        Assert.Null(_passage.ThroughUntil);
    }

    [Fact]
    public void Observations_from_before_it_forgot_do_not_count()
    {
        Look(oldestAge: TimeSpan.Zero);
        _passage.Forget();
        _time.Move(60 * Second);

        Look(oldestAge: TimeSpan.Zero);

        Assert.Null(_passage.ThroughUntil);
    }

    private long Look(TimeSpan oldestAge)
    {
        var now = _time.GetTimestamp();
        _passage.NoteEmpty(now, workers: 2, new Holdings(2, oldestAge));
        return now;
    }
}
