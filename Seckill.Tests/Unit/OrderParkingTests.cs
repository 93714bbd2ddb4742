using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.DeadLetters;
using Seckill.OrderWorker.Parking;

namespace Seckill.Tests.Unit;

/// <summary>When an order that is refused again and again becomes a dead letter.</summary>
[Trait("Category", "Quick")]
public sealed class OrderParkingTests
{
    private const int MinutesMax = 30;

    private readonly SetClock _clock = new();
    private readonly WorkerHealth _health;
    private readonly OrderParking _parking;
    private BasicProperties _properties = new();

    public OrderParkingTests()
    {
        var options = Options.Create(new WorkerOptions { ParkedMinutesMax = MinutesMax });
        _health = new WorkerHealth(options, _clock);
        _parking = new OrderParking(_health, options, _clock, NullLogger<OrderParking>.Instance);
    }

    [Fact]
    public void One_that_waits_in_the_order_queue_between_two_refusals_is_parked_again()
    {
        Assert.Null(Refuse());
        _clock.Move(TimeSpan.FromMinutes(MinutesMax + 5));
        Assert.Null(Refuse());
    }

    [Fact]
    public void Many_refusals_alone_make_no_dead_letter()
    {
        for (var i = 0; i < 10 * OrderParking.RefusalsMin; i++)
        {
            Assert.Null(Refuse());
        }

        _clock.Move(TimeSpan.FromMinutes(MinutesMax));
        Assert.Null(Refuse());
        _clock.Move(TimeSpan.FromSeconds(1));
        Assert.Equal("parked for 30 min: locked", Refuse());
    }

    [Fact]
    public void The_refusal_that_makes_it_a_dead_letter_counts_too()
    {
        for (var i = 1; i < OrderParking.RefusalsMin; i++)
        {
            Assert.Null(Refuse());
            _clock.Move(TimeSpan.FromMinutes(MinutesMax));
        }

        Assert.NotNull(Refuse());
    }

    [Fact]
    public void A_clock_that_is_set_back_begins_the_time_anew()
    {
        Assert.Null(Refuse());
        _clock.Move(TimeSpan.FromDays(-1));
        for (var i = 1; i < OrderParking.RefusalsMin; i++)
        {
            Assert.Null(Refuse());
        }

        _clock.Move(TimeSpan.FromMinutes(MinutesMax + 1));
        Assert.Equal("parked for 31 min: locked", Refuse());
    }

    [Fact]
    public void Without_another_order_that_is_accepted_none_becomes_a_dead_letter()
    {
        for (var i = 0; i < 2 * OrderParking.RefusalsMin; i++)
        {
            Assert.Null(Refuse(othersPass: false));
            _clock.Move(TimeSpan.FromMinutes(MinutesMax));
        }

        // Redis says nothing about MySQL.
        _health.NoteAccepted(OrderStore.Redis);
        Assert.Null(Refuse(othersPass: false));
        Assert.NotNull(Refuse());
    }

    [Fact]
    public void An_order_that_was_accepted_before_the_last_refusal_shows_nothing()
    {
        for (var i = 1; i < OrderParking.RefusalsMin; i++)
        {
            Assert.Null(Refuse());
        }

        _clock.Move(TimeSpan.FromSeconds(1));
        Assert.Null(Refuse(othersPass: false));
        _clock.Move(TimeSpan.FromMinutes(MinutesMax));
        Assert.Null(Refuse(othersPass: false));
    }

    [Fact]
    public void An_order_that_was_not_tried_by_itself_stays_parked()
    {
        for (var i = 0; i < 2 * OrderParking.RefusalsMin; i++)
        {
            Assert.Null(Refuse(mayEnd: false));
            _clock.Move(TimeSpan.FromMinutes(MinutesMax));
        }
    }

    [Fact]
    public void Ten_buyers_who_are_refused_again_while_nothing_is_accepted_are_reported()
    {
        for (var userId = 1; userId <= 10; userId++)
        {
            Assert.Null(_health.Refusal);
            _properties = new();
            Assert.Null(Refuse(othersPass: false, userId: userId));
            _clock.Move(TimeSpan.FromMilliseconds(1));
            Assert.Null(Refuse(othersPass: false, userId: userId));
        }

        Assert.EndsWith("the last one because: locked", _health.Refusal, StringComparison.Ordinal);
        _health.NoteAccepted(OrderStore.MySql);
        Assert.Null(_health.Refusal);
        Assert.NotNull(_health.Parking);
    }

    /// <summary>Refuses the order once, and its parked message the next time; returns the dead letter's reason, null for none.</summary>
    private string? Refuse(bool othersPass = true, bool mayEnd = true, long userId = 7)
    {
        if (othersPass)
        {
            _health.NoteAccepted(OrderStore.MySql);
        }

        var delivery = new Delivery(1, [], _properties, default(ActivityContext), _clock.GetUtcNow(), 0);
        var message = new OrderMessage { OrderId = 1, UserId = userId, SkuId = 1001, Quantity = 1 };
        var batch = new OrderBatch(0);
        _parking.Park(
            batch, new OrderInHand(delivery, default, null, message, null, default, null), OrderStore.MySql, "locked", mayEnd);
        if (batch.DeadLetters is [var letter])
        {
            return letter.Reason;
        }

        var parked = Assert.Single(batch.Parked);
        _properties = DeadLetterWriting.Parked(DeadLetter.Of(parked.Order, parked.Reason), _clock.GetUtcNow()).Properties;
        return null;
    }
}
