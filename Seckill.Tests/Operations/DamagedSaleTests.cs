using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>A foreign hand has damaged a number in Redis's data of one sale. Other sales, and other clicks, do not notice.</summary>
[Collection(OperationsTests.Name)]
public sealed class DamagedSaleTests(OperationsFixture servers) : IAsyncLifetime
{
    private static long _lastBuyer = 71_000;

    private ApiHost _api = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        _api = servers.StartApi(
            ("Catalogue:CheckEveryMs", "500"), ("Catalogue:DrainWaitMsMax", "1000"), ("Reconciliation:EveryMs", "200"),
            ("Reconciliation:StuckAfterMs", "1000"));
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Theory]
    [InlineData("held", "")]
    [InlineData("epoch", "none")]
    public async Task The_sale_is_busy_and_shown_with_the_place_and_others_are_sold_loaded_and_compared(string field, string value)
    {
        var (good, victim) = (await servers.PutOnSaleAsync(_api), await servers.PutOnSaleAsync(_api));
        var keys = new SkuKeys(victim);
        await servers.Redis.HashSetAsync(keys.Sale, field, value);

        var refused = await _api.BuyAsync(Buyer(), victim);
        Assert.Equal((503, "busy"), (refused.Status, refused.Error));
        await servers.Redis.KeyDeleteAsync([.. new SkuKeys(good).All]);
        await servers.WaitUntilLoadedAsync(_api, good);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), good)).Status);
        Assert.Contains($"{field} of {keys.Sale}", ReasonOf(await _api.BooksAsync(victim)), StringComparison.Ordinal);
        Assert.Equal("", ReasonOf(await _api.BooksAsync(good)));
        var repair = await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator);
        Assert.Equal(200, repair.Status);
        Assert.Contains(
            repair.Body.GetProperty("steps").EnumerateArray(),
            step => step.GetString()!.StartsWith($"sku {victim}: nothing", StringComparison.Ordinal));

        // The runbook's last resort: without any of its keys, the sale counts as lost.
        await servers.Redis.KeyDeleteAsync([.. keys.All]);
        await Deadline.UntilAsync(() => _api.BuyAsync(Buyer(), victim), reply => reply.Status == 200, Cancelled);
    }

    [Fact]
    public async Task A_damaged_list_of_SKUs_hides_no_books()
    {
        const string List = "seckill:skus";
        var skuId = await servers.PutOnSaleAsync(_api);
        // The instance reads the list, and keeps it.
        await _api.BooksAsync(skuId);
        var noted = await servers.Redis.SetMembersAsync(List);
        await servers.Redis.StringSetAsync(List, "no set");
        try
        {
            Assert.Equal("", ReasonOf(await _api.BooksAsync(skuId)));
            Assert.Equal(200, (await _api.PostAsync("/api/ops/reconciliation/repair", _api.Operator)).Status);
        }
        finally
        {
            await servers.Redis.KeyDeleteAsync(List);
            await servers.Redis.SetAddAsync(List, noted);
        }
    }

    /// <summary>The runbook's repair: the named field gets the right number, and nothing is deleted.</summary>
    [Fact]
    public async Task A_damaged_sequence_stops_only_clicks_until_it_is_set()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var keys = new SkuKeys(skuId);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), skuId)).Status);
        await servers.Redis.HashSetAsync(keys.Sale, "seq", "x");

        var refused = await _api.BuyAsync(Buyer(), skuId);
        Assert.Equal((503, "busy"), (refused.Status, refused.Error));
        var books = await _api.BooksAsync(skuId);
        Assert.Equal(("", 0, 1), (ReasonOf(books), books.GetProperty("difference").GetInt64(), books.GetProperty("held").GetInt64()));

        await servers.Redis.HashSetAsync(keys.Sale, "seq", await servers.Redis.HashLengthAsync(keys.Orders));
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), skuId)).Status);
    }

    [Fact]
    public async Task A_gate_that_is_neither_open_nor_closed_is_loaded_without_an_operator()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        await servers.Redis.HashSetAsync(new SkuKeys(skuId).Sale, "closed", "x");

        await Deadline.UntilAsync(() => _api.BuyAsync(Buyer(), skuId), reply => reply.Status == 200, Cancelled);
        Assert.Equal(0, await servers.Redis.HashGetAsync(new SkuKeys(skuId).Sale, "closed"));
    }

    [Fact]
    public async Task An_order_that_was_decided_meanwhile_is_settled_once_the_number_is_repaired()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var keys = new SkuKeys(skuId);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), skuId)).Status);
        await servers.Redis.HashSetAsync(keys.Sale, "held", "");
        await using var worker = servers.StartWorker();
        await using var store = servers.OpenStore();
        await Deadline.UntilAsync(() => store.OrderItems.AnyAsync(line => line.SkuId == skuId, Cancelled), written => written, Cancelled);
        // The worker goes on, and the order waits in the outbox.
        var other = await servers.PutOnSaleAsync(_api);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), other)).Status);
        await UntilSettledAsync(new SkuKeys(other));
        Assert.Equal(1, await servers.Redis.SortedSetLengthAsync(keys.Outbox));

        await servers.Redis.HashSetAsync(keys.Sale, "held", 1);

        await UntilSettledAsync(keys);
        var books = await _api.BooksAsync(skuId);
        Assert.Equal((0, 0), (books.GetProperty("difference").GetInt64(), books.GetProperty("held").GetInt64()));
    }

    [Fact]
    public async Task A_damaged_click_is_busy_and_no_other_is()
    {
        var (skuId, buyer) = (await servers.PutOnSaleAsync(_api), Buyer());
        await servers.Redis.HashSetAsync(new SkuKeys(skuId).Clicks, $"{buyer}:damaged", "theirs");

        var refused = await _api.BuyAsync(buyer, skuId, "damaged");

        Assert.Equal((503, "busy"), (refused.Status, refused.Error));
        Assert.Equal(200, (await _api.BuyAsync(buyer, skuId, "another")).Status);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), skuId, "damaged")).Status);
    }

    private static long Buyer() => Interlocked.Increment(ref _lastBuyer);

    /// <summary>Why Redis's side is unknown; empty when it is known.</summary>
    private static string ReasonOf(JsonElement item) =>
        item.TryGetProperty("unreadable", out var reason) && reason.ValueKind == JsonValueKind.String ? reason.GetString()! : "";

    private Task<long> UntilSettledAsync(SkuKeys sku) =>
        Deadline.UntilAsync(() => servers.Redis.SortedSetLengthAsync(sku.Outbox), unsettled => unsettled == 0, Cancelled);
}
