using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Operations;

/// <summary>Operators' work on dead letters, on real servers: nothing is lost or doubled, and the audit names the operator.</summary>
[Collection(OperationsTests.Name)]
public sealed class DeadLetterTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>, IAsyncLifetime
{
    private const string Letters = "/api/ops/dead-letters";
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";

    private readonly ApiHost _api = api.Host;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await servers.PurgeAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_letter_is_listed_with_what_an_operator_needs()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var (orderId, body) = await ReserveAsync(7, skuId);
        await BuryAsync(body, orderId);

        var list = await _api.GetAsync(Letters, _api.Operator);
        Assert.Equal(200, list.Status);
        Assert.Equal(1, list.Body.GetProperty("count").GetInt64());
        var letter = Assert.Single(list.Body.GetProperty("items").EnumerateArray());
        Assert.Equal("planted", letter.GetProperty("reason").GetString());
        Assert.Equal(3, letter.GetProperty("attempts").GetInt64());
        Assert.Equal(1_700_000_000_000, letter.GetProperty("first_at_ms").GetInt64());
        Assert.Equal(1_700_000_060_000, letter.GetProperty("last_at_ms").GetInt64());
        Assert.Equal(TraceId, letter.GetProperty("trace_id").GetString());
        Assert.Equal(orderId, letter.GetProperty("order").GetProperty("order_id").GetString());
        Assert.Equal("7", letter.GetProperty("order").GetProperty("user_id").GetString());

        // Reading changes nothing, not even the id.
        var id = letter.GetProperty("id").GetString()!;
        var shown = await _api.GetAsync($"{Letters}/{id}", _api.Operator);
        Assert.Equal(Encoding.UTF8.GetString(body), shown.Text("body"));
        Assert.Equal(404, (await _api.GetAsync($"{Letters}/00000000000000000000", _api.Operator)).Status);
        Assert.Equal(id, await OnlyIdAsync());
    }

    [Fact]
    public async Task A_letter_of_the_broker_itself_is_listed_alike()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var (orderId, _) = await ReserveAsync(7, skuId, acknowledge: false);

        var letter = (await Deadline.UntilAsync(ListAsync, letters => letters.Count == 1, Cancelled))[0];
        Assert.Equal("broker: rejected", letter.Reason);
        Assert.Equal(orderId, letter.OrderId);
        Assert.Equal(letter.Id, await OnlyIdAsync());
    }

    [Fact]
    public async Task Abandoning_twice_returns_stock_and_quota_once()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 10);
        var (orderId, body) = await ReserveAsync(7, skuId);
        Assert.Equal(9, await StockAsync(skuId));

        // The second letter simulates a crash between settling and ack.
        await BuryAsync(body, orderId);
        await BuryAsync(body, orderId);
        Assert.Equal(2, (await ListAsync()).Count);
        for (var i = 0; i < 2; i++)
        {
            var id = (await ListAsync())[0].Id;
            var done = await _api.PostAsync($"{Letters}/{id}/abandon", _api.Operator);
            Assert.Equal((200, "failed", orderId), (done.Status, done.Text("outcome"), done.Text("order_id")));
            Assert.Equal(10, await StockAsync(skuId));
        }

        Assert.Empty(await ListAsync());
        var status = await _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(7));
        Assert.Equal(("FAILED", "abandoned by the shop"), (status.Text("status"), status.Text("reason")));
        await using var store = servers.OpenStore();
        Assert.Equal(1, await store.OrderRejections.CountAsync(r => r.OrderId == Number(orderId), Cancelled));
        // The limit is two per buyer: both units are available again, but not a third.
        Assert.Equal(200, (await _api.BuyAsync(7, skuId)).Status);
        Assert.Equal(200, (await _api.BuyAsync(7, skuId)).Status);
        Assert.Equal("limit reached", (await _api.BuyAsync(7, skuId)).Error);
    }

    [Fact]
    public async Task A_replay_after_an_abandonment_fails_again_and_changes_nothing()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 10);
        var (orderId, body) = await ReserveAsync(7, skuId);
        await BuryAsync(body, orderId);
        await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/abandon", _api.Operator);
        await BuryAsync(body, orderId);

        await using var worker = servers.StartWorker();
        var replay = await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/replay", _api.Operator);
        Assert.Equal(1, replay.Body.GetProperty("replayed").GetInt32());
        await WorkThroughAsync();

        Assert.Empty(await ListAsync());
        Assert.Equal(10, await StockAsync(skuId));
        await using var store = servers.OpenStore();
        Assert.Equal(10, await store.ProductSkus.Where(s => s.Id == skuId).Select(s => s.Stock).SingleAsync(Cancelled));
        Assert.Equal(0, await store.Orders.CountAsync(o => o.Id == Number(orderId), Cancelled));
    }

    [Fact]
    public async Task Replaying_all_copies_makes_one_order_each()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 10);
        var first = await ReserveAsync(7, skuId);
        var second = await ReserveAsync(8, skuId);
        await BuryAsync(first.Body, first.OrderId);
        await BuryAsync(first.Body, first.OrderId);
        await BuryAsync(second.Body, second.OrderId);

        await using var worker = servers.StartWorker();
        var replay = await _api.PostAsync($"{Letters}/replay-all", _api.Operator);
        Assert.Equal((3, 0L), (replay.Body.GetProperty("replayed").GetInt32(), replay.Body.GetProperty("remaining").GetInt64()));
        await WorkThroughAsync();

        await using var store = servers.OpenStore();
        Assert.Equal(2, await store.OrderItems.CountAsync(i => i.SkuId == skuId, Cancelled));
        Assert.Equal(8, await store.ProductSkus.Where(s => s.Id == skuId).Select(s => s.Stock).SingleAsync(Cancelled));
        Assert.Equal(8, await StockAsync(skuId));
        Assert.Empty(await ListAsync());
    }

    [Fact]
    public async Task Of_many_replayed_letters_none_comes_back()
    {
        const int Count = 1_000;
        await using var api = servers.StartApi(("DeadLetters:OperationTimeoutMs", "300000"));
        await Task.WhenAll(Enumerable.Range(0, Count).Select(i => BuryAsync("x"u8.ToArray(), $"{i}")));
        var replay = await api.PostAsync($"{Letters}/replay-all", api.Operator);
        Assert.Equal(Count, replay.Body.GetProperty("replayed").GetInt32());
        Assert.Empty(await ListAsync());
        Assert.Equal((uint)Count, await servers.Channel.MessageCountAsync(OrderTopology.Queue, Cancelled));
    }

    [Fact]
    public async Task A_replayed_message_keeps_its_trace_its_history_and_its_id()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var (orderId, body) = await ReserveAsync(7, skuId);
        await BuryAsync(body, orderId);
        await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/replay", _api.Operator);

        var got = await servers.Channel.BasicGetAsync(OrderTopology.Queue, autoAck: true, Cancelled);
        Assert.NotNull(got);
        Assert.Equal(body, got.Body.ToArray());
        Assert.Equal(orderId, got.BasicProperties.MessageId);
        Assert.Equal(3, Convert.ToInt64(got.BasicProperties.Headers!["x-seckill-attempts"], CultureInfo.InvariantCulture));
        Assert.Contains(TraceId, Encoding.UTF8.GetString((byte[])got.BasicProperties.Headers["traceparent"]!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_order_that_stands_cannot_be_abandoned()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 10);
        var (orderId, body) = await ReserveAsync(7, skuId);
        await using (servers.StartWorker())
        {
            await servers.Channel.BasicPublishAsync(
                OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties { MessageId = orderId }, body,
                Cancelled);
            await Deadline.UntilAsync(
                () => _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(7)),
                status => status.Text("status") == "SUCCESS", Cancelled);
        }

        await BuryAsync(body, orderId);
        var refused = await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/abandon", _api.Operator);
        Assert.Equal((409, "already an order"), (refused.Status, refused.Error));
        Assert.Single(await ListAsync());
        Assert.Equal(9, await StockAsync(skuId));
    }

    [Fact]
    public async Task Abandoning_a_message_that_lies_about_its_order_leaves_the_real_one_alone()
    {
        var skuId = await servers.PutOnSaleAsync(_api, stock: 10);
        var (orderId, _) = await ReserveAsync(7, skuId);
        await BuryAsync(Encoding.UTF8.GetBytes($$"""{"user_id":666,"sku_id":{{skuId}},"quantity":1,"order_id":{{orderId}}}"""), "lie");

        var done = await _api.PostAsync($"{Letters}/{await OnlyIdAsync()}/abandon", _api.Operator);
        Assert.Equal("removed", done.Text("outcome"));
        Assert.Equal(9, await StockAsync(skuId));
        Assert.Equal("PENDING", (await _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(7))).Text("status"));
    }

    [Fact]
    public async Task A_letter_that_is_no_order_is_removed_and_its_text_kept_in_the_audit_log()
    {
        await BuryAsync("not JSON at all \ud83e\udde7"u8.ToArray(), null);
        var id = await OnlyIdAsync();
        var done = await _api.PostAsync($"{Letters}/{id}/abandon", headers: ("X-Ops-Key", ApiHost.OpsKey));
        Assert.Equal((200, "removed"), (done.Status, done.Text("outcome")));
        Assert.Empty(await ListAsync());

        var entry = (await _api.GetAsync("/api/ops/audit?take=1", _api.Operator)).Body.GetProperty("items")[0];
        Assert.Equal("ops-key", entry.GetProperty("operator").GetString());
        Assert.Equal("dead-letter.abandon", entry.GetProperty("action").GetString());
        Assert.Equal(id, entry.GetProperty("target").GetString());
        Assert.Contains("not JSON at all \ud83e\udde7", entry.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(32, entry.GetProperty("trace_id").GetString()!.Length);
    }

    [Fact]
    public async Task Only_one_operation_at_a_time()
    {
        await servers.Redis.StringSetAsync("seckill:dead-letters:desk", "another", TimeSpan.FromMinutes(1));
        var busy = await _api.GetAsync(Letters, _api.Operator);
        await servers.Redis.KeyDeleteAsync("seckill:dead-letters:desk");
        Assert.Equal((409, "busy"), (busy.Status, busy.Error));
        Assert.Equal(200, (await _api.GetAsync(Letters, _api.Operator)).Status);
    }

    private sealed record Listed(string Id, string Reason, string? OrderId);

    private async Task<IReadOnlyList<Listed>> ListAsync()
    {
        var list = await _api.GetAsync(Letters, _api.Operator);
        Assert.Equal(200, list.Status);
        return
        [
            .. list.Body.GetProperty("items").EnumerateArray().Select(item => new Listed(
                item.GetProperty("id").GetString()!, item.GetProperty("reason").GetString()!,
                item.TryGetProperty("order", out var order) && order.TryGetProperty("order_id", out var id) ? id.GetString() : null)),
        ];
    }

    private async Task<string> OnlyIdAsync() => Assert.Single(await ListAsync()).Id;

    /// <summary>Buys, and takes the message off the queue like a worker that refuses it: acked (and buried here) or rejected.</summary>
    private async Task<(string OrderId, byte[] Body)> ReserveAsync(long userId, long skuId, bool acknowledge = true)
    {
        var placed = await _api.BuyAsync(userId, skuId);
        Assert.Equal(200, placed.Status);
        var got = await Deadline.UntilAsync(
            () => servers.Channel.BasicGetAsync(OrderTopology.Queue, autoAck: acknowledge, Cancelled), message => message is not null,
            Cancelled);
        if (!acknowledge)
        {
            await servers.Channel.BasicRejectAsync(got!.DeliveryTag, requeue: false, Cancelled);
        }

        return (placed.Text("order_id"), got!.Body.ToArray());
    }

    private async Task BuryAsync(byte[] body, string? messageId)
    {
        // The hosts in this process listen to the client's spans, so it writes the current trace into the message.
        using var click = new Activity("click");
        click.SetParentId(ActivityTraceId.CreateFromString(TraceId), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded).Start();
        var properties = new BasicProperties
        {
            Persistent = true,
            MessageId = messageId,
            Headers = new Dictionary<string, object?>
            {
                ["x-seckill-reason"] = "planted",
                ["x-seckill-attempts"] = 3L,
                ["x-seckill-first-at"] = "2023-11-14T22:13:20.0000000Z",
                ["x-seckill-last-at"] = "2023-11-14T22:14:20.0000000Z",
                ["traceparent"] = click.Id,
            },
        };
        await servers.Channel.BasicPublishAsync(
            OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, properties, body, Cancelled);
    }

    private async Task<long> StockAsync(long skuId) => (long)await servers.Redis.StringGetAsync($"stock:sku:{skuId}");

    /// <summary>Waits until the worker has decided everything in the queue: an order queued last has its answer.</summary>
    private async Task WorkThroughAsync()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        Assert.Equal(200, (await _api.BuyAsync(99, skuId)).Status);
        await Deadline.UntilAsync(
            () => _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(99)),
            status => status.Text("status") == "SUCCESS",
            Cancelled);
    }

    private static long Number(string id) => long.Parse(id, CultureInfo.InvariantCulture);
}
