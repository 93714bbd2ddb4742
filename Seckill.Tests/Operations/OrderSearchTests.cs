using System.Text.Json;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>Operators find orders by the numbers that buyers know, wherever the order is.</summary>
[Collection(OperationsTests.Name)]
public sealed class OrderSearchTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>, IAsyncLifetime
{
    private static long _lastBuyer = 80_000;

    private readonly ApiHost _api = api.Host;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await servers.PurgeAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task An_order_that_stands_is_found_by_all_its_names()
    {
        await using var worker = servers.StartWorker();
        var (user, click) = NewClick();
        var skuId = await servers.PutOnSaleAsync(_api);
        var orderId = (await _api.BuyAsync(user, skuId, click)).Text("order_id");
        await Deadline.UntilAsync(() => FindAsync(orderId), found => found is [var order] && Text(order, "status") == "SUCCESS", Cancelled);

        foreach (var query in new[] { orderId, $"{user}", $"{user}:{click}", click, $"%20{orderId}" })
        {
            var order = Assert.Single(await FindAsync(query));
            Assert.Equal(
                (orderId, $"{user}", $"{skuId}", click),
                (Text(order, "order_id"), Text(order, "user_id"), Text(order, "sku_id"), Text(order, "client_order_no")));
            Assert.Equal(
                ("SUCCESS", orderId, "Phone, black", "pending"),
                (Text(order, "status"), Text(order, "order_sn"), Text(order, "title"), Text(order, "payment")));
            Assert.Equal(99.5m, order.GetProperty("total_amount").GetDecimal());
            Assert.Equal(32, Text(order, "trace_id")!.Length);
        }

        // No hop is earlier than the previous one; `told` is there as soon as Redis has settled the order.
        var told = await Deadline.UntilAsync(
            () => FindAsync(orderId), found => found[0].GetProperty("timeline").TryGetProperty("told_at_ms", out _), Cancelled);
        var timeline = told[0].GetProperty("timeline");
        string[] hops = ["clicked_at_ms", "reserved_at_ms", "picked_up_at_ms", "committed_at_ms", "told_at_ms"];
        var times = hops.Select(hop => timeline.GetProperty(hop).GetInt64()).ToList();
        Assert.Equal(times.Order(), times);
    }

    [Fact]
    public async Task An_order_that_MySQL_does_not_have_yet_is_found_in_Redis()
    {
        var (user, click) = NewClick();
        var skuId = await servers.PutOnSaleAsync(_api);
        var orderId = (await _api.BuyAsync(user, skuId, click)).Text("order_id");
        foreach (var query in new[] { orderId, $"{user}", $"{user}:{click}" })
        {
            var order = Assert.Single(await FindAsync(query));
            Assert.Equal(
                (orderId, $"{user}", $"{skuId}", "PENDING", click),
                (Text(order, "order_id"), Text(order, "user_id"), Text(order, "sku_id"), Text(order, "status"),
                    Text(order, "client_order_no")));
            Assert.Null(Text(order, "order_sn"));
            Assert.True(order.GetProperty("timeline").TryGetProperty("reserved_at_ms", out _));
            Assert.False(order.GetProperty("timeline").TryGetProperty("committed_at_ms", out _));
        }
    }

    [Fact]
    public async Task A_refusal_is_found_with_its_reason()
    {
        var (user, click) = NewClick();
        var orderId = 1_000_000 + user;
        await using (var store = servers.OpenStore())
        {
            store.OrderRejections.Add(new OrderRejection
            {
                OrderId = orderId,
                UserId = user,
                SkuId = 4_711,
                Quantity = 2,
                ClientOrderNo = click,
                Reason = "sold out in the store",
                TraceId = "",
                CreatedAt = DateTime.UtcNow,
            });
            await store.SaveChangesAsync(Cancelled);
        }

        foreach (var query in new[] { $"{orderId}", $"{user}", $"{user}:{click}", click })
        {
            var order = Assert.Single(await FindAsync(query));
            Assert.Equal(
                ("FAILED", "sold out in the store", $"{user}", $"{orderId}"),
                (Text(order, "status"), Text(order, "reason"), Text(order, "user_id"), Text(order, "order_id")));
        }
    }

    [Fact]
    public async Task Of_one_buyers_orders_the_newest_fifty_are_told()
    {
        var (user, _) = NewClick();
        var first = user * 1_000;
        await using (var store = servers.OpenStore())
        {
            store.OrderRejections.AddRange(Enumerable.Range(0, 60).Select(i => new OrderRejection
            {
                OrderId = first + i,
                UserId = user,
                SkuId = 4_711,
                Quantity = 1,
                ClientOrderNo = $"many-{user}-{i}",
                Reason = "no",
                TraceId = "",
                CreatedAt = DateTime.UtcNow,
            }));
            await store.SaveChangesAsync(Cancelled);
        }

        var found = await FindAsync($"{user}");
        Assert.Equal(Enumerable.Range(10, 50).Reverse().Select(i => $"{first + i}"), found.Select(order => Text(order, "order_id")));
    }

    /// <summary>Without the orders no order of the SKU is found; without the outbox one is found that cannot be read to its end.</summary>
    [Theory]
    [InlineData("orders")]
    [InlineData("outbox")]
    public async Task A_SKU_that_Redis_cannot_be_searched_for_is_counted_and_hides_no_order_of_another(string damaged)
    {
        var (user, click) = NewClick();
        var (good, bad) = (await servers.PutOnSaleAsync(_api), await servers.PutOnSaleAsync(_api));
        var orderId = (await _api.BuyAsync(user, good, click)).Text("order_id");
        Assert.Equal(200, (await _api.BuyAsync(user, bad)).Status);
        var before = await SearchAsync($"{user}");
        Assert.Equal((2, 0), (before.GetProperty("items").GetArrayLength(), before.GetProperty("unsearched_skus").GetInt32()));

        var sku = new SkuKeys(bad);
        await servers.Redis.StringSetAsync(damaged == "orders" ? sku.Orders : sku.Outbox, "theirs");

        var after = await SearchAsync($"{user}");
        Assert.Equal(1, after.GetProperty("unsearched_skus").GetInt32());
        Assert.Equal([orderId], after.GetProperty("items").EnumerateArray().Select(order => Text(order, "order_id")));
    }

    [Fact]
    public async Task An_unknown_order_is_an_empty_list_and_a_malformed_query_is_refused()
    {
        Assert.Empty(await FindAsync("999999999999"));
        Assert.Empty(await FindAsync("no-such-click"));
        foreach (var query in new[] { "", "?q=", "?q=%20", "?q=a%27b", $"?q={new string('x', 97)}" })
        {
            var answer = await _api.GetAsync($"/api/ops/orders{query}", _api.Operator);
            Assert.Equal((400, "q must be an order id or number, a user id, or a click's number"), (answer.Status, answer.Error));
        }
    }

    private static (long User, string Click) NewClick() => (Interlocked.Increment(ref _lastBuyer), $"click-{Guid.NewGuid():N}");

    private static string? Text(JsonElement order, string member) => order.TryGetProperty(member, out var value) ? value.GetString() : null;

    private async Task<IReadOnlyList<JsonElement>> FindAsync(string query) =>
        [.. (await SearchAsync(query)).GetProperty("items").EnumerateArray()];

    private async Task<JsonElement> SearchAsync(string query)
    {
        var answer = await _api.GetAsync($"/api/ops/orders?q={query}", _api.Operator);
        Assert.Equal(200, answer.Status);
        return answer.Body;
    }
}
