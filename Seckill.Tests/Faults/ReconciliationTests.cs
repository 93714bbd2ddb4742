using System.Globalization;
using System.Net;
using System.Text.Json;
using RabbitMQ.Client;
using Seckill.Ordering.Ledger;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Faults;

/// <summary>The comparison of both stores raises no false alarm, finds differences, and repairs them.</summary>
[Collection(nameof(FaultSystem))]
public sealed class ReconciliationTests(FaultSystem faults)
{
    private const int TimeoutMs = 120_000;

    /// <summary>Comparisons under load before a test gives up waiting for the expected states.</summary>
    private const int SamplesMax = 200;

    private const int SamplesMin = 20;

    private const int PaceMs = 50;

    /// <summary>An Api that compares only when asked.</summary>
    private static readonly (string Name, string Value)[] NothingByItself =
    [
        ("Reconciliation__EveryMs", "3600000"), ("Catalogue__CheckEveryMs", "3600000"),
    ];

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_false_alarm_under_load()
    {
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        using var client = system.Client();
        using var enough = new CancellationTokenSource();
        var load = Task.Run(
            async () =>
            {
                while (!enough.IsCancellationRequested)
                {
                    // Paced, so that comparisons are frequent on a busy machine.
                    await sale.RushAsync(64);
                    await Task.Delay(PaceMs, _cancellation);
                }
            }, _cancellation);
        var (samples, underWay, committed) = (0, 0, 0);
        while (!enough.IsCancellationRequested || await sale.UnsettledAsync() > 0)
        {
            var answer = await client.GetAsync("/api/ops/reconciliation", _cancellation, SaleOnTrial.Operator);
            foreach (var item in ComparedIn(answer))
            {
                Assert.True(
                    item.GetProperty("loaded").GetBoolean() && item.GetProperty("difference").GetInt64() == 0
                        && Number(item, "store_difference") is 0 or null,
                    $"{item}");
                underWay += item.GetProperty("unsettled").GetInt64() > 0 ? 1 : 0;
                committed += item.GetProperty("committed_unsettled").GetInt64() > 0 ? 1 : 0;
            }

            // Repeats until a comparison has hit orders in progress, some of them between the two stores, which is a short moment.
            samples++;
            if (!enough.IsCancellationRequested && ((samples >= SamplesMin && underWay >= 5 && committed > 0) || samples == SamplesMax))
            {
                await enough.CancelAsync();
                await load;
            }
        }

        Assert.InRange(underWay, 5, int.MaxValue);
        Assert.InRange(committed, 1, int.MaxValue);
        await sale.RepeatUnansweredAsync();
        await sale.AssertConservedAsync(await sale.OutcomesAsync());
    }

    [Fact]
    public async Task A_difference_is_seen_planned_and_repaired()
    {
        var (system, sale) = await WatchedSaleAsync();
        var sku = sale.Skus[0];
        using var client = system.Client();
        var stock = await sale.GateStockAsync(sku);
        await system.RedisConnection.GetDatabase().StringIncrementAsync(sku.Stock, 5);

        Assert.Equal(5, (await ItemAsync(client, sku)).GetProperty("difference").GetInt64());
        var plan = await client.PostAsync("/api/ops/reconciliation/repair", null, _cancellation, SaleOnTrial.Operator);
        Assert.False(plan.Body.GetProperty("applied").GetBoolean());
        Assert.Contains($"sku {sku.SkuId}: load: False, reload for a difference of: 5, settle: 0, republish: 0", StepsOf(plan));
        Assert.Equal(5, (await ItemAsync(client, sku)).GetProperty("difference").GetInt64());

        var done = await client.PostAsync("/api/ops/reconciliation/repair?apply=true", null, _cancellation, SaleOnTrial.Operator);
        Assert.True(done.Body.GetProperty("applied").GetBoolean());
        Assert.Equal(0, (await ItemAsync(client, sku)).GetProperty("difference").GetInt64());
        Assert.Equal(stock, await sale.GateStockAsync(sku));
        Assert.Equal(1, await system.CountAsync(
            $"SELECT COUNT(*) FROM ops_audit WHERE action = 'reconciliation.repair' AND target = 'sku {sku.SkuId}'", _cancellation));
        await sale.AssertConservedAsync(await sale.OutcomesAsync());
    }

    [Fact]
    public async Task Another_epoch_closes_the_gate_until_it_is_loaded()
    {
        var (system, sale) = await WatchedSaleAsync();
        var sku = sale.Skus[0];
        using var client = system.Client();
        // Repeated if necessary: an Api that has just started checks every counter once.
        await Deadline.UntilAsync(
            async () =>
            {
                await system.RedisConnection.GetDatabase().HashIncrementAsync(sku.Sale, "epoch", 7);
                return await ItemAsync(client, sku);
            },
            item => !item.GetProperty("loaded").GetBoolean(), _cancellation);
        var plan = await client.PostAsync("/api/ops/reconciliation/repair", null, _cancellation, SaleOnTrial.Operator);
        Assert.Contains(StepsOf(plan), step => step.StartsWith($"sku {sku.SkuId}: load: True", StringComparison.Ordinal));

        // An instance that compares by itself needs no operator.
        await system.StartApiAsync(_cancellation);
        await Deadline.UntilAsync(
            () => ItemAsync(client, sku), item => item.GetProperty("loaded").GetBoolean() && item.GetProperty("difference").GetInt64() == 0,
            _cancellation, TimeoutMs);
        await sale.RushAllAsync(12);
        await sale.AssertConservedAsync(await sale.OutcomesAsync());
    }

    [Fact]
    public async Task A_verdict_that_Redis_has_forgotten_is_told_again()
    {
        var (system, sale) = await WatchedSaleAsync();
        var sku = sale.Skus[0];
        using var client = system.Client();
        var database = system.RedisConnection.GetDatabase();
        var orderId = long.Parse(sale.Queued.First(queued => queued.Key.SkuId == sku.SkuId).Value, CultureInfo.InvariantCulture);
        var settled = (await system.Ledger().FindAsync(sku, orderId, _cancellation))!;
        // Restores the record from before it was settled.
        await database.HashSetAsync(
            sku.Orders, settled.OrderId,
            $"P|{settled.Quantity}|{settled.UserId}|{settled.Epoch}|{settled.ReservedAtMs}|{settled.ClientOrderNo}|{settled.TraceParent}");
        await database.HashIncrementAsync(sku.Sale, "held", settled.Quantity);
        await database.SortedSetAddAsync(sku.Outbox, settled.OrderId, StockLedger.ConfirmedScore + settled.ReservedAtMs);

        // No units are missing, so it is no difference; but once it is old enough, it is due.
        await Deadline.UntilAsync(
            () => client.PostAsync("/api/ops/reconciliation/repair", null, _cancellation, SaleOnTrial.Operator),
            plan => StepsOf(plan).Contains($"sku {sku.SkuId}: load: False, reload for a difference of: 0, settle: 1, republish: 0"),
            _cancellation, TimeoutMs);

        await system.StartApiAsync(_cancellation);
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled == 0, _cancellation, TimeoutMs);
        Assert.Equal(OrderState.Success, (await system.Ledger().FindAsync(sku, settled.OrderId, _cancellation))!.State);
        await sale.AssertConservedAsync(await sale.OutcomesAsync());
    }

    [Fact]
    public async Task Orders_that_the_broker_has_lost_are_published_again_and_dead_letters_are_not()
    {
        const int OrderCount = 30;
        var system = await faults.ReadyAsync(_cancellation, faults.PatientApi);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await faults.EndAllAsync(system.Workers);
        await sale.RushAllAsync(OrderCount);
        long deadCount;
        await using (var connection = await faults.ConnectAsync(_cancellation))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation))
        {
            // Some may come only now: a buyer can be answered before the broker has the order.
            var messages = new List<BasicGetResult>();
            await Deadline.UntilAsync(
                async () =>
                {
                    messages.AddRange(await QueuedOrders.TakeAllAsync(channel, _cancellation));
                    return messages.Sum(QueuedOrders.In);
                },
                count => count == OrderCount, _cancellation, TimeoutMs);
            // The last message, because the first one of a burst holds one order and the later ones hold many.
            var dead = messages[^1];
            deadCount = QueuedOrders.In(dead);
            await channel.BasicRejectAsync(dead.DeliveryTag, requeue: false, _cancellation);
            await sale.UntilDeadLettersAsync(1);
            await channel.BasicAckAsync(dead.DeliveryTag - 1, multiple: true, _cancellation);
        }

        await system.StartWorkerAsync(_cancellation);
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled <= deadCount, _cancellation, TimeoutMs);

        // Orders in the dead letter wait for an operator, however long.
        await sale.UntilDeadLettersAsync(1);
        Assert.Equal(deadCount, await sale.UnsettledAsync());
        var crash = new CrashScene(faults, sale, _cancellation);
        await crash.FinishLettersAsync("replay");
        var outcomes = await sale.OutcomesAsync();
        Assert.Equal(OrderCount, outcomes.GetValueOrDefault("SUCCESS"));
        await sale.AssertConservedAsync(outcomes);
    }

    /// <summary>A sale with settled orders, with an Api that compares only when asked.</summary>
    private async Task<(LocalSystem System, SaleOnTrial Sale)> WatchedSaleAsync()
    {
        var system = await faults.ReadyAsync(_cancellation, [.. NothingByItself, .. faults.PatientApi]);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        await sale.RushAllAsync(24);
        await sale.OutcomesAsync();
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled == 0, _cancellation, TimeoutMs);
        return (system, sale);
    }

    private async Task<JsonElement> ItemAsync(ShopClient client, SkuKeys sku)
    {
        var answer = await client.GetAsync("/api/ops/reconciliation", _cancellation, SaleOnTrial.Operator);
        return answer.Body.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("sku_id").GetString() == $"{sku.SkuId}");
    }

    /// <summary>
    /// The SKUs whose books were compared. A server that pauses makes the whole answer "busy", or a SKU "unreadable": neither is an alarm.
    /// </summary>
    private static IEnumerable<JsonElement> ComparedIn(ApiAnswer answer) => answer.Status != HttpStatusCode.OK ? []
        : answer.Body.GetProperty("items").EnumerateArray().Where(item =>
            !item.TryGetProperty("unreadable", out var reason) || reason.ValueKind == JsonValueKind.Null);

    private static long? Number(JsonElement item, string member) =>
        item.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : null;

    private static IEnumerable<string> StepsOf(ApiAnswer answer) =>
        answer.Body.GetProperty("steps").EnumerateArray().Select(step => step.GetString()!);
}
