using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Api.Reconciliation;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Operations;

/// <summary>Orders that stay unsettled are repaired, however many there are and whatever an instance's clock said.</summary>
[Collection(OperationsTests.Name)]
public sealed class UnsettledOrderTests(OperationsFixture servers) : IAsyncLifetime
{
    /// <summary>The default of <c>Reconciliation:HealBatchSizeMax</c>.</summary>
    private const int PassMax = 1_000;

    private ApiHost _api = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        // Compares only when the test asks.
        _api = servers.StartApi(("Reconciliation:EveryMs", "3600000"));
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task More_orders_than_one_comparison_reads_are_repaired_pass_by_pass_and_their_books_are_not_called_healthy()
    {
        const int Reserved = StockRecovery.UnsettledIdsMax + PassMax + 500;
        const int Written = (2 * PassMax) + 500;
        var skuId = await servers.PutOnSaleAsync(_api, stock: Reserved);
        var sku = new SkuKeys(skuId);
        var firstId = skuId * 1_000_000;
        using var lines = new LogLines();
        using var loggers = new LoggerFactory([lines]);
        var passes = new SkuReconciler(
            _api.Get<ReconciliationReader>(), _api.Get<StuckOrders>(), TimeProvider.System, loggers.CreateLogger<SkuReconciler>());
        try
        {
            await ReserveAsync(sku, [.. Enumerable.Range(0, Reserved).Select(i => new ReserveRequest(firstId + i, i, 1, null, null))]);
            await WriteAsync(skuId, firstId, Written);

            var books = await _api.BooksAsync();
            Assert.False(books.GetProperty("healthy").GetBoolean());
            var item = books.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("sku_id").GetString() == $"{skuId}");
            Assert.Equal((null, Reserved), (Number(item, "difference"), Number(item, "unsettled")));
            Assert.Equal(PassMax, Number(item.GetProperty("repair"), "settle"));

            foreach (var left in (int[])[Reserved - PassMax, Reserved - (2 * PassMax), Reserved - Written])
            {
                await passes.RunAsync(skuId, Cancelled);
                Assert.Equal(left, await servers.Redis.SortedSetLengthAsync(sku.Outbox));
            }

            Assert.Contains(
                lines.Lines,
                line => line.Level == LogLevel.Warning
                    && line.Text.StartsWith($"SKU {skuId}: {Reserved} orders are unsettled, too many", StringComparison.Ordinal));
            Assert.Equal(0, Number(await _api.BooksAsync(skuId), "difference"));
        }
        finally
        {
            // So many would keep other tests' sweepers and reconcilers busy.
            await using var store = servers.OpenStore();
            await store.SeckillSales.Where(sale => sale.SkuId == skuId).ExecuteDeleteAsync(CancellationToken.None);
            await servers.Redis.KeyDeleteAsync(sku.All);
        }
    }

    /// <summary>Ids and confirms carry the time of the instance that made them.</summary>
    [Fact]
    public async Task Orders_from_a_moment_in_which_a_clock_was_ahead_are_repaired()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var sku = new SkuKeys(skuId);
        var clock = new SetClock();
        clock.Move(DateTimeOffset.UtcNow.AddDays(1) - clock.GetUtcNow());
        var ahead = new SnowflakeSequence(1, clock);
        var (written, lost, young) = (ahead.Next(), ahead.Next(), new SnowflakeSequence(1, TimeProvider.System).Next());
        await ReserveAsync(
            sku, [.. new[] { written, lost, young }.Select((id, i) => new ReserveRequest(id, i + 1, 1, null, null))], clock.GetUtcNow());
        await servers.Redis.HashSetAsync(
            sku.Orders, lost, $"P|1|2|1|{DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds()}||");
        await WriteAsync(skuId, written, count: 1, firstUser: 1);
        var consumer = await servers.Channel.BasicConsumeAsync(
            OrderTopology.Queue, autoAck: false, new AsyncEventingBasicConsumer(servers.Channel), Cancelled);
        try
        {
            var found = (await _api.Get<ReconciliationReader>().ReadAsync(skuId, Cancelled))!;
            var plan = await Deadline.UntilAsync(
                () => _api.Get<StuckOrders>().PlanAsync(found, Cancelled), plan => plan.Republish.Count > 0, Cancelled);

            Assert.Equal([written], plan.Settle.Select(order => order.OrderId));
            Assert.Equal([lost], plan.Republish);
        }
        finally
        {
            await servers.Channel.BasicCancelAsync(consumer, cancellationToken: Cancelled);
        }
    }

    /// <summary>Reserves, and records the broker's confirm of an hour ago; no worker gets the orders.</summary>
    private async Task ReserveAsync(SkuKeys sku, ReserveRequest[] requests, DateTimeOffset? confirmedAt = null)
    {
        var ledger = _api.Get<StockLedger>();
        var atMs = (confirmedAt ?? DateTimeOffset.UtcNow.AddHours(-1)).ToUnixTimeMilliseconds();
        foreach (var some in requests.Chunk(StockLedger.ReserveBatchSizeMax))
        {
            var reply = await ledger.ReserveAsync(sku, some, Cancelled);
            Assert.All(reply.Results, result => Assert.Equal(ReserveCode.Accepted, result.Code));
            await ledger.ConfirmAsync(sku, [.. some.Select(request => request.OrderId)], atMs, Cancelled);
        }
    }

    /// <summary>Writes the first of the orders to MySQL as a worker does that dies before it settles them.</summary>
    private async Task WriteAsync(long skuId, long firstId, int count, int firstUser = 0)
    {
        await using var store = servers.OpenStore();
        await (count == 1
            ? StoredOrders.AddOneAsync(store, skuId, firstId, firstUser)
            : StoredOrders.AddAsync(store, skuId, firstId, count));
        await store.ProductSkus.Where(row => row.Id == skuId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.Stock, row => row.Stock - count), Cancelled);
    }

    private static long? Number(JsonElement item, string member) =>
        item.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : null;
}
