using System.Globalization;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Operations;

/// <summary>
/// With foreign data in a dead letter or in Redis, operators still see all letters and buyers still get an answer.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class OddDeadLetterTests(OperationsFixture servers) : IAsyncLifetime
{
    private const string Letters = "/api/ops/dead-letters";

    /// <summary>Longer than usual: three looks at the queue, ten seconds apart, say that the broker has lost an order.</summary>
    private const int LostOrderTimeoutMs = 3 * Deadline.TimeoutMs;

    private ApiHost _api = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        _api = servers.StartApi(("Reconciliation:StuckAfterMs", "1000"));
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    public static TheoryData<string> Oddities => [.. OddHeaders.Keys];

    private static Dictionary<string, Dictionary<string, object?>> OddHeaders { get; } = new()
    {
        ["a death after the end of time"] = new()
        {
            ["x-death"] = Deaths(
            new Dictionary<string, object?> { ["time"] = new AmqpTimestamp(long.MaxValue), ["reason"] = "rejected" })
        },
        ["a death before the beginning"] = new()
        {
            ["x-death"] = Deaths(
            new Dictionary<string, object?> { ["time"] = new AmqpTimestamp(long.MinValue), ["count"] = long.MinValue })
        },
        ["deaths without number"] = new()
        {
            ["x-death"] = Deaths(
                new Dictionary<string, object?> { ["count"] = long.MaxValue, ["reason"] = "rejected" },
                new Dictionary<string, object?> { ["count"] = long.MaxValue, ["reason"] = 7 }),
        },
        ["a death that is none"] = new() { ["x-death"] = "rejected" },
        ["deaths that are none"] = new() { ["x-death"] = new List<object?> { 1, "two", null } },
        ["attempts that are no number"] = new() { ["x-seckill-attempts"] = new Dictionary<string, object?> { ["a"] = 1 } },
        ["attempts without end"] = new() { ["x-seckill-attempts"] = long.MaxValue, ["x-seckill-first-at"] = "9999-12-31T23:59:59+14:00" },
        ["a reason that is a list"] = new() { ["x-seckill-reason"] = new List<object?> { "one", "two" }, ["traceparent"] = 5 },
        ["a reason without end"] = new() { ["x-seckill-reason"] = new string('r', 60_000) },
    };

    [Theory]
    [MemberData(nameof(Oddities))]
    public async Task A_letter_with_odd_headers_hides_no_other(string oddity)
    {
        await BuryAsync("odd"u8.ToArray(), new BasicProperties { Headers = OddHeaders[oddity] });
        await BuryAsync("other"u8.ToArray(), new BasicProperties());

        Assert.Equal(["odd", "other"], await BodiesAsync());
        var replay = await _api.PostAsync($"{Letters}/replay-all", _api.Operator);
        Assert.Equal((200, 2), (replay.Status, replay.Body.GetProperty("replayed").GetInt32()));
    }

    [Fact]
    public async Task A_letter_that_the_client_cannot_decode_hides_no_other()
    {
        await BuryAsync("before"u8.ToArray(), new BasicProperties());
        await servers.BuryRawAsync(RawMessages.LongDecimalHeader, "priced"u8.ToArray());
        await servers.BuryRawAsync(RawMessages.MessageId([.. Enumerable.Repeat((byte)0xFF, 255)]), "no text"u8.ToArray());
        await BuryAsync("behind"u8.ToArray(), new BasicProperties());

        Assert.Equal(["before", "behind", "no text", "priced"], (await BodiesAsync()).Order());
        var items = (await _api.GetAsync(Letters, _api.Operator)).Body.GetProperty("items").EnumerateArray();
        Assert.Contains(
            items, item => item.GetProperty("reason").GetString()!.StartsWith("properties cannot be decoded", StringComparison.Ordinal));
        var replay = await _api.PostAsync($"{Letters}/replay-all", _api.Operator);
        Assert.Equal((200, 4), (replay.Status, replay.Body.GetProperty("replayed").GetInt32()));
        Assert.Empty(await BodiesAsync());
    }

    [Fact]
    public async Task Lost_orders_are_published_again_beside_many_dead_letters_and_odd_ones()
    {
        const int Count = 1_200;
        await using var worker = servers.StartWorker();
        var skuId = await servers.PutOnSaleAsync(_api);
        await Task.WhenAll(Enumerable.Range(0, Count).Select(i => BuryAsync("x"u8.ToArray(), new BasicProperties { MessageId = $"{i}" })));
        await BuryAsync("odd"u8.ToArray(), new BasicProperties { Headers = OddHeaders["a death after the end of time"] });
        await servers.BuryRawAsync(RawMessages.LongDecimalHeader, "priced"u8.ToArray());
        // An order in no queue and not in MySQL: the broker lost its message after the confirm.
        var ledger = new StockLedger(servers.Redis.Multiplexer);
        var sku = new SkuKeys(skuId);
        var id = _api.Get<OrderIds>().TryNext(out var next) ? next : throw new InvalidOperationException("no node");
        await ledger.ReserveAsync(sku, [new ReserveRequest(id, 7, 1, null, null)], Cancelled);
        await ledger.ConfirmAsync(sku, [id], DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), Cancelled);

        await Deadline.UntilAsync(
            async () =>
            {
                var repair = await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator);
                Assert.Equal(200, repair.Status);
                return (await ledger.FindAsync(sku, id, Cancelled))?.State;
            },
            state => state == OrderState.Success,
            Cancelled,
            LostOrderTimeoutMs);
    }

    [Fact]
    public async Task An_order_that_is_a_dead_letter_among_many_is_not_published_again()
    {
        await using var worker = servers.StartWorker();
        var skuId = await servers.PutOnSaleAsync(_api);
        var ledger = new StockLedger(servers.Redis.Multiplexer);
        var sku = new SkuKeys(skuId);
        var id = _api.Get<OrderIds>().TryNext(out var next) ? next : throw new InvalidOperationException("no node");
        await Task.WhenAll(Enumerable.Range(0, 1_200).Select(i => BuryAsync("x"u8.ToArray(), new BasicProperties { MessageId = $"{i}" })));
        await BuryAsync(
            Encoding.UTF8.GetBytes($$"""{"user_id":7,"sku_id":{{skuId}},"quantity":1,"order_id":{{id}}}"""), new BasicProperties());
        await ledger.ReserveAsync(sku, [new ReserveRequest(id, 7, 1, null, null)], Cancelled);
        // Old enough for the reconciler, by its confirm and by the time in its id; and a worker is there that would get it.
        await ledger.ConfirmAsync(sku, [id], DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds(), Cancelled);
        await Deadline.UntilAsync(
            () => Task.FromResult(DateTimeOffset.UtcNow - SnowflakeSequence.TimeOf(id)), age => age > TimeSpan.FromMilliseconds(1_500),
            Cancelled);
        await Deadline.UntilAsync(
            () => servers.Channel.ConsumerCountAsync(OrderTopology.Queue, Cancelled), workers => workers > 0, Cancelled);

        var repair = await _api.PostAsync("/api/ops/reconciliation/repair", _api.Operator);

        var target = string.Create(CultureInfo.InvariantCulture, $"sku {skuId}:");
        Assert.DoesNotContain(
            repair.Body.GetProperty("steps").EnumerateArray(), step => step.GetString()!.StartsWith(target, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_buyer_whose_record_nobody_can_read_gets_an_answer()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var sku = new SkuKeys(skuId);
        await servers.Redis.HashSetAsync(sku.Buyers, 7, "1|9");
        await servers.Redis.HashSetAsync(sku.Orders, 9, "S|1|7|9223372036854775808|5|||6|9");
        await servers.Redis.HashSetAsync(sku.Buyers, 8, "nothing of ours");

        foreach (var user in (long[])[7, 8])
        {
            var status = await _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(user));
            Assert.Equal((404, "no order"), (status.Status, status.Error));
            Assert.Equal(200, (await _api.GetAsync("/api/orders", _api.Buyer(user))).Status);
        }
    }

    private static List<object?> Deaths(params Dictionary<string, object?>[] deaths) => [.. deaths];

    private async Task<IReadOnlyList<string>> BodiesAsync()
    {
        var list = await _api.GetAsync(Letters, _api.Operator);
        Assert.Equal(200, list.Status);
        return [.. list.Body.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("body").GetString()!)];
    }

    private Task BuryAsync(byte[] body, BasicProperties properties) => servers.Channel.BasicPublishAsync(
        OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, properties, body, Cancelled).AsTask();
}
