using Seckill.OrderWorker.Consuming;

namespace Seckill.Tests.Unit;

/// <summary>How the next session is planned from how the last one ended.</summary>
[Trait("Category", "Quick")]
public sealed class SessionPaceTests
{
    private const ushort Usual = 2_000;
    private const long HeldBytesMax = 64 * 1_048_576;

    private readonly SessionPace _pace = new(Usual, HeldBytesMax);

    [Fact]
    public void Everything_is_as_usual_after_progress_an_outage_or_a_lost_connection()
    {
        Failed(hasAcked: true);
        Assert.Equal(new SessionPlan(Usual, HeldBytesMax, null, null), _pace.Next);
        _pace.SessionEnded(new SessionEnd(SessionEndKind.Failed, "MySQL"), hasAcked: false, isOutage: true, 10, null, 1);
        Assert.Equal(new SessionPlan(Usual, HeldBytesMax, null, null), _pace.Next);
        _pace.SessionEnded(new SessionEnd(SessionEndKind.Lost, "End of stream"), hasAcked: false, isOutage: false, 10, null, 1);
        Assert.Equal(new SessionPlan(Usual, HeldBytesMax, null, null), _pace.Next);
    }

    [Fact]
    public void After_a_session_without_progress_messages_come_one_at_a_time_for_a_while()
    {
        Failed();
        Assert.Equal(1, _pace.Next.PrefetchCount);
        var first = _pace.Next.LengthMsMax;
        Assert.InRange(first ?? 0, 1, 60_000);

        _pace.SessionEnded(new SessionEnd(SessionEndKind.TimeUp, "time"), hasAcked: true, isOutage: false, 0, "a", 1);
        Assert.Equal(Usual, _pace.Next.PrefetchCount);

        // The cause is deeper in the queue than that period reaches: the next one is longer, up to a bound.
        Failed();
        Assert.True(_pace.Next.LengthMsMax > first);
        for (var i = 0; i < 10; i++)
        {
            Failed();
        }

        Assert.Equal(60_000, _pace.Next.LengthMsMax);
    }

    [Fact]
    public void A_message_that_ends_sessions_alone_is_condemned_and_forgotten_once_it_is_gone()
    {
        Failed();
        for (var i = 0; i < SessionPace.EndCountMax; i++)
        {
            Assert.Null(_pace.Next.Condemned);
            Failed(fingerprint: "bad");
        }

        Assert.Equal("bad", _pace.Next.Condemned?.Fingerprint);
        _pace.SessionEnded(new SessionEnd(SessionEndKind.TimeUp, "time"), hasAcked: true, isOutage: false, 0, "good", 1);
        Assert.Null(_pace.Next.Condemned);
    }

    [Fact]
    public void Another_message_begins_its_own_count()
    {
        Failed();
        for (var i = 0; i < 10; i++)
        {
            Failed(fingerprint: i % 2 == 0 ? "one" : "another");
        }

        Assert.Null(_pace.Next.Condemned);
    }

    [Theory]
    [InlineData(2 * 1_048_576, 32)]
    [InlineData(200 * 1_048_576, 1)]
    [InlineData(100, Usual)]
    public void After_too_many_bytes_as_many_messages_come_as_there_is_room_for(long largest, int prefetch)
    {
        _pace.SessionEnded(new SessionEnd(SessionEndKind.TooManyBytes, "bytes"), hasAcked: false, isOutage: false, 40, null, largest);

        Assert.Equal(prefetch, _pace.Next.PrefetchCount);
    }

    private void Failed(bool hasAcked = false, string? fingerprint = null) =>
        _pace.SessionEnded(
            new SessionEnd(SessionEndKind.Failed, "planted"), hasAcked, isOutage: false, heldCount: 1, fingerprint, largestBodyBytes: 1);
}
