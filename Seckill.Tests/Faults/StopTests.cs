using System.Diagnostics;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Faults;

/// <summary>SIGTERM under load: work in progress is finished, and no new work is started.</summary>
[Collection(nameof(FaultSystem))]
public sealed class StopTests(FaultSystem faults)
{
    /// <summary>The host's own bound is 30 s for the Api, and one and a half times 15 s for the worker.</summary>
    private const int StopWithinMs = 30_000;
    private const int TimeoutMs = 120_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_Api_answers_whom_it_has_reserved_for()
    {
        var system = await faults.ReadyAsync(_cancellation, faults.PatientApi);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, unitsEach: 20_000);
        var api = system.Apis[0];
        var load = Task.WhenAll(Enumerable.Range(0, 3).Select(_ => sale.RushUntilDeadAsync(api)));
        await Deadline.UntilAsync(() => Task.FromResult(sale.Queued.Count), count => count > 200, _cancellation, TimeoutMs);

        await AssertStopsAsync(api);
        await load;
        await faults.EndAllAsync(system.Apis);

        Assert.Empty(sale.ServerErrors);
        var answered = sale.Queued.Keys.Select(click => click.Number).ToHashSet();
        foreach (var sku in sale.Skus)
        {
            foreach (var record in await system.RedisConnection.GetDatabase().HashGetAllAsync(sku.Orders))
            {
                var reservation = Reservation.Parse((long)record.Name, record.Value!);
                Assert.True(
                    answered.Contains(reservation.ClientOrderNo!), $"Nobody was told of order {reservation.OrderId}.\n{system.Log}");
            }
        }

        await system.StartApiAsync(_cancellation, settings: faults.PatientApi);
        var outcomes = await sale.OutcomesAsync();
        Assert.Equal(sale.Queued.Count, outcomes.GetValueOrDefault("SUCCESS"));
        await sale.AssertConservedAsync(outcomes);
    }

    [Fact]
    public async Task The_worker_finishes_its_batch_and_acks_it()
    {
        const int OrderCount = 600;
        var system = await faults.ReadyAsync(_cancellation, faults.PatientApi);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await faults.EndAllAsync(system.Workers);
        await sale.RushAllAsync(OrderCount);
        var worker = await system.StartWorkerAsync(_cancellation, waitUntilHealthy: false);
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled < OrderCount - 20, _cancellation, TimeoutMs);

        await AssertStopsAsync(worker);

        // Orders that are not in the queue are in MySQL and settled: none is between the stores, and none will be delivered twice.
        var unsettled = await sale.UnsettledAsync();
        var ids = string.Join(',', sale.Skus.Select(sku => sku.SkuId));
        Assert.Equal(
            OrderCount - unsettled, await system.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id IN ({ids})", _cancellation));
        await using (var connection = await faults.ConnectAsync(_cancellation))
        {
            await Deadline.UntilAsync(
                () => QueuedOrders.CountAsync(connection, _cancellation), waiting => waiting == unsettled, _cancellation);
        }

        await faults.EndAllAsync(system.Workers);
        await system.StartWorkerAsync(_cancellation);
        var outcomes = await sale.OutcomesAsync();
        Assert.Equal(OrderCount, outcomes.GetValueOrDefault("SUCCESS"));
        await sale.AssertConservedAsync(outcomes);
    }

    private async Task AssertStopsAsync(LocalService service)
    {
        var started = Stopwatch.GetTimestamp();
        await service.StopAsync(TimeoutMs, _cancellation);
        Assert.InRange(Stopwatch.GetElapsedTime(started).TotalMilliseconds, 0, StopWithinMs);
        Assert.Equal(0, await service.Exited);
    }
}
