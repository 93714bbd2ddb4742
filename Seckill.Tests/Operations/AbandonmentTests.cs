using System.Globalization;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>Letters whose orders Redis cannot fail: the operator who abandons them is told so.</summary>
[Collection(OperationsTests.Name)]
public sealed class AbandonmentTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>, IAsyncLifetime
{
    private const string Letters = "/api/ops/dead-letters";
    private const int Stock = 10;

    private static long _lastBuyer = 72_000;

    private readonly ApiHost _api = api.Host;
    private readonly long _buyer = Interlocked.Increment(ref _lastBuyer);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await servers.PurgeAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task An_order_that_its_buyer_was_told_of_and_that_MySQL_has_lost_is_replayed_and_not_abandoned()
    {
        var (sku, orderId) = await BuryAsync();
        await TellSuccessAsync(sku, orderId);

        var refused = await AbandonAsync();

        Assert.Equal((409, "told success"), (refused.Status, refused.Error));
        Assert.Contains($"{orderId}", refused.Text("detail"), StringComparison.Ordinal);
        await using var store = servers.OpenStore();
        Assert.Equal(0, await store.OrderRejections.CountAsync(refusal => refusal.OrderId == orderId, Cancelled));

        await using var worker = servers.StartWorker();
        var replay = await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/replay", _api.Operator);
        Assert.Equal(1, replay.Body.GetProperty("replayed").GetInt32());
        await Deadline.UntilAsync(() => store.Orders.CountAsync(order => order.Id == orderId, Cancelled), count => count == 1, Cancelled);
        await AssertAsync(sku, "SUCCESS", Stock - 1);
    }

    [Fact]
    public async Task An_order_that_MySQL_refuses_although_its_buyer_was_told_of_it_is_called_contradicted()
    {
        var (sku, orderId) = await BuryAsync();
        await TellSuccessAsync(sku, orderId);
        await using (var store = servers.OpenStore())
        {
            store.OrderRejections.Add(new OrderRejection
            {
                OrderId = orderId,
                UserId = _buyer,
                SkuId = sku.SkuId,
                Quantity = 1,
                Reason = "sold out",
                TraceId = "",
                CreatedAt = DateTime.UtcNow,
            });
            await store.SaveChangesAsync(Cancelled);
        }

        var done = await AbandonAsync();

        Assert.Equal((200, "contradicted", $"{orderId}"), (done.Status, done.Text("outcome"), done.Text("order_id")));
        Assert.Equal(0u, await servers.Channel.MessageCountAsync(OrderTopology.DeadLetterQueue, Cancelled));
        await AssertAsync(sku, "SUCCESS", Stock - 1);
    }

    [Fact]
    public async Task An_order_whose_record_is_damaged_is_refused_and_called_unsettled()
    {
        var (sku, orderId) = await BuryAsync();
        var record = await servers.Redis.HashGetAsync(sku.Orders, orderId);
        await servers.Redis.HashSetAsync(sku.Orders, orderId, "P|theirs");

        var done = await AbandonAsync();

        Assert.Equal((200, "unsettled", $"{orderId}"), (done.Status, done.Text("outcome"), done.Text("order_id")));
        Assert.Equal(0u, await servers.Channel.MessageCountAsync(OrderTopology.DeadLetterQueue, Cancelled));
        await AssertAsync(sku, "FAILED", Stock - 1);
        // A repair returns its units once the record is readable again.
        await servers.Redis.HashSetAsync(sku.Orders, orderId, record);
        await using var repairing = servers.StartApi(("Reconciliation:StuckAfterMs", "1000"));
        await Deadline.UntilAsync(
            async () =>
            {
                await repairing.PostAsync("/api/ops/reconciliation/repair?apply=true", repairing.Operator);
                return await servers.Redis.StringGetAsync(sku.Stock);
            },
            stock => stock == Stock,
            Cancelled);
    }

    private async Task AssertAsync(SkuKeys sku, string status, int stock)
    {
        var told = await _api.GetAsync($"/api/orders/seckill/status?sku_id={sku.SkuId}", _api.Buyer(_buyer));
        Assert.Equal((200, status), (told.Status, told.Text("status")));
        Assert.Equal(stock, await servers.Redis.StringGetAsync(sku.Stock));
    }

    private async Task<Reply> AbandonAsync() => await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/abandon", _api.Operator);

    private async Task<string> OnlyIdAsync()
    {
        var list = await _api.GetAsync(Letters, _api.Operator);
        return Assert.Single(list.Body.GetProperty("items").EnumerateArray()).GetProperty("id").GetString()!;
    }

    /// <summary>Redis's state after the order was settled, and before MySQL came back with less than it had.</summary>
    private async Task TellSuccessAsync(SkuKeys sku, long orderId)
    {
        var verdict = new Settlement(
            orderId, Success: true, $"{orderId}", StockDeducted: true, (await servers.LoadOfAsync(sku.SkuId)).Epoch, 1, _buyer,
            ClientOrderNo: null, MessageEpoch: null);
        Assert.Equal([SettleCode.Settled], await _api.Get<StockLedger>().SettleAsync(sku, [verdict], Cancelled));
    }

    /// <summary>Buys one unit of a new sale, and takes its message from the queue to the dead letters.</summary>
    private async Task<(SkuKeys Sku, long OrderId)> BuryAsync()
    {
        var sku = new SkuKeys(await servers.PutOnSaleAsync(_api, Stock));
        var placed = await _api.BuyAsync(_buyer, sku.SkuId);
        Assert.Equal(200, placed.Status);
        var got = await Deadline.UntilAsync(
            () => servers.Channel.BasicGetAsync(OrderTopology.Queue, autoAck: true, Cancelled), message => message is not null, Cancelled);
        await servers.Channel.BasicPublishAsync(
            OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties { Persistent = true },
            got!.Body.ToArray(), Cancelled);
        return (sku, long.Parse(placed.Text("order_id"), CultureInfo.InvariantCulture));
    }
}
