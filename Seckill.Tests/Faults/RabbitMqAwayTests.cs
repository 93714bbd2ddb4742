namespace Seckill.Tests.Faults;

/// <summary>Without RabbitMQ, orders wait in Redis, bounded by the stock; when it is back, they arrive.</summary>
[Collection(nameof(FaultSystem))]
public sealed class RabbitMqAwayTests(FaultSystem faults)
{
    /// <summary>
    /// Far above the second that a buyer waits at most for a confirm: the machine may be busy. Far below any time-out of a hanging
    /// publisher.
    /// </summary>
    private const int QueuedWithinMs = 15_000;
    private const int TimeoutMs = 120_000;

    /// <summary>Between bursts: enough load for publishes in flight when the broker ends.</summary>
    private const int PaceMs = 100;

    /// <summary>Between bursts while it starts: the processor is for the broker.</summary>
    private const int StartingPaceMs = 1_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Buyers_are_queued_at_once_and_the_outbox_is_bounded_by_the_stock()
    {
        const int UnitsEach = 30;
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, UnitsEach);
        await system.RabbitMq.StopAsync(_cancellation);
        try
        {
            await sale.RushAllAsync(UnitsEach * 6, quantity: 1);
            Assert.InRange(sale.SlowestMs, 0, QueuedWithinMs);
            Assert.Equal(UnitsEach * sale.Skus.Count, sale.Queued.Count);
            Assert.All(sale.Refused.Values, error => Assert.Equal("sold out", error));
            Assert.Equal(UnitsEach * sale.Skus.Count, await sale.UnsettledAsync());
        }
        finally
        {
            await system.RabbitMq.RestartAsync(_cancellation);
        }

        var outcomes = await sale.OutcomesAsync();
        Assert.Equal(UnitsEach * sale.Skus.Count, outcomes.GetValueOrDefault("SUCCESS"));
        await sale.AssertConservedAsync(outcomes);
    }

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public async Task Stops_and_kills_under_load_hang_no_publisher()
    {
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, unitsEach: 20_000);
        using var enough = new CancellationTokenSource();
        var paceMs = PaceMs;
        var load = Task.Run(
            async () =>
            {
                while (!enough.IsCancellationRequested)
                {
                    await sale.RushAsync(32);
                    await Task.Delay(Volatile.Read(ref paceMs), _cancellation);
                }
            }, _cancellation);
        for (var round = 0; round < 4; round++)
        {
            var before = sale.Queued.Count;
            await Deadline.UntilAsync(() => Task.FromResult(sale.Queued.Count), count => count > before + 64, _cancellation, TimeoutMs);
            if (round % 2 == 0)
            {
                system.RabbitMq.Kill();
            }
            else
            {
                await system.RabbitMq.StopAsync(_cancellation);
            }

            before = sale.Queued.Count;
            await Deadline.UntilAsync(() => Task.FromResult(sale.Queued.Count), count => count > before + 64, _cancellation, TimeoutMs);
            Volatile.Write(ref paceMs, StartingPaceMs);
            await system.RabbitMq.RestartAsync(_cancellation);
            Volatile.Write(ref paceMs, PaceMs);
        }

        await enough.CancelAsync();
        await load;
        await sale.RepeatUnansweredAsync();
        Assert.InRange(sale.SlowestMs, 0, QueuedWithinMs);
        var outcomes = await sale.OutcomesAsync();
        Assert.Empty(sale.Refused);
        Assert.Equal(sale.Clicks.Distinct().Count(), outcomes.GetValueOrDefault("SUCCESS"));
        await sale.AssertConservedAsync(outcomes);
    }
}
