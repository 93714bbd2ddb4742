using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.Ordering.Unreadable;
using Seckill.Tests.Gate;

namespace Seckill.Tests.Worker;

/// <summary>A bad message of any kind delays no good order, and operators find it with its reason.</summary>
[Collection(nameof(WorkerServers))]
public sealed class BadMessageTests(WorkerServers servers)
{
    /// <summary>Seconds: the orders must not wait for retries to run out.</summary>
    private const int SoonMs = 120_000;

    private const int OrderCount = 200;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_bad_part_of_a_message_with_the_longest_id_keeps_nobody_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount + 1, Cancelled);
        var id = new string('m', 254);
        var sku = shop.Sku.SkuId;
        await shop.PublishAsync(
            $$"""[{"user_id":1,"sku_id":{{sku}},"quantity":0},{"user_id":2,"sku_id":{{sku}},"quantity":1}]""", Cancelled,
            new BasicProperties { MessageId = id });

        var letter = await OrdersPassAsync(shop, expectedCount: OrderCount + 1);

        Assert.Contains("quantity must be", ReasonOf(letter), StringComparison.Ordinal);
        // A replay is still the same order: the worker recognises it by this id.
        Assert.Equal(CarriedProperties.HashOfId($"{id}#0"), letter.BasicProperties.MessageId);
    }

    [Fact]
    public async Task An_id_that_is_no_text_keeps_nobody_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await shop.PublishRawAsync(RawMessages.MessageId([.. Enumerable.Repeat((byte)0xFF, 100)]), "not an order"u8.ToArray(), Cancelled);

        var letter = await OrdersPassAsync(shop);

        Assert.Contains("malformed body", ReasonOf(letter), StringComparison.Ordinal);
        Assert.Equal("not an order", Encoding.UTF8.GetString(letter.Body.Span));
    }

    [Fact]
    public async Task A_header_that_nobody_can_decode_keeps_nobody_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await shop.PublishRawAsync(RawMessages.LongDecimalHeader, "priced"u8.ToArray(), Cancelled);

        var letter = await OrdersPassAsync(shop);

        Assert.Contains("properties cannot be decoded", ReasonOf(letter), StringComparison.Ordinal);
        Assert.Equal("priced", Encoding.UTF8.GetString(letter.Body.Span));
    }

    [Fact]
    public async Task Headers_that_are_nested_deeply_keep_nobody_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await shop.PublishRawAsync(RawMessages.NestedHeader(8_000), "deep"u8.ToArray(), Cancelled);

        var letter = await OrdersPassAsync(shop);

        Assert.Contains("malformed body", ReasonOf(letter), StringComparison.Ordinal);
        Assert.DoesNotContain("deep", letter.BasicProperties.Headers!.Keys);
    }

    [Fact]
    public async Task Messages_that_are_too_large_keep_nobody_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var large = new byte[OrderTopology.MessageBytesMax + 1];
        Array.Fill(large, (byte)'x');
        await shop.PublishAsync(large, Cancelled);
        await shop.PublishAsync(large, Cancelled);

        var letter = await OrdersPassAsync(shop);
        var second = await shop.DeadLetterAsync(Cancelled);

        Assert.All([letter, second], found =>
        {
            Assert.Contains($"body has {large.Length} bytes", ReasonOf(found), StringComparison.Ordinal);
            Assert.Equal(UnreadableMessages.BodyHeadBytesMax, found.Body.Length);
            Assert.Equal((long)large.Length, found.BasicProperties.Headers![DeadLetterHeaders.BodyBytes]);
        });
    }

    [Fact]
    public async Task Many_large_messages_come_a_few_at_a_time()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var half = new byte[OrderTopology.MessageBytesMax / 2];
        Array.Fill(half, (byte)'x');
        const int Count = 12;
        for (var i = 0; i < Count; i++)
        {
            await shop.PublishAsync(half, Cancelled);
        }

        await OrdersPassAsync(shop, new() { ["Worker:HeldBytesMax"] = $"{OrderTopology.MessageBytesMax}" });
        for (var i = 1; i < Count; i++)
        {
            Assert.Equal(half.Length, (await shop.DeadLetterAsync(Cancelled)).Body.Length);
        }
    }

    [Fact]
    public async Task Headers_that_fill_their_frame_keep_nobody_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var headers = new Dictionary<string, object?> { ["x-shop"] = "kept", ["x-long"] = new string('h', 130_000) };
        await shop.PublishAsync("full", Cancelled, new BasicProperties { Headers = headers });

        var letter = await OrdersPassAsync(shop);

        Assert.Equal("kept", Encoding.UTF8.GetString((byte[])letter.BasicProperties.Headers!["x-shop"]!));
        Assert.DoesNotContain("x-long", letter.BasicProperties.Headers.Keys);
    }

    [Fact]
    public async Task Many_bad_orders_are_confirmed_together()
    {
        const int Count = 1_000;
        const int TogetherMin = 100;
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await using var answers = new HeldReplies($"127.0.0.1:{servers.RabbitMq.Port}");
        var throughThem = new UriBuilder(servers.RabbitMq.ConnectionString) { Port = IPEndPoint.Parse(answers.Address).Port };
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, new()
        {
            ["ConnectionStrings:rabbitmq"] = throughThem.Uri.AbsoluteUri.TrimEnd('/'),
            ["Worker:ConfirmTimeoutMs"] = "60000",
        });
        // With this one, the worker has opened its connection for dead letters.
        await shop.PublishAsync("not an order", Cancelled);
        await shop.DeadLetterAsync(Cancelled);

        answers.Hold();
        var bad = string.Join(',', Enumerable.Repeat($$"""{"user_id":1,"sku_id":{{shop.Sku.SkuId}},"quantity":0}""", Count));
        await shop.PublishAsync($"[{bad}]", Cancelled);
        // The delivery may come in several parts, so the worker gets all that is held until it has the whole message.
        await Deadline.UntilAsync(
            () =>
            {
                answers.ReleaseHeld();
                return shop.DeadLetterCountAsync(Cancelled);
            },
            count => count >= TogetherMin / 10, Cancelled);

        // No confirm reaches it from here on: a worker that waits for each would send one more letter at most.
        await Deadline.UntilAsync(() => shop.DeadLetterCountAsync(Cancelled), count => count >= TogetherMin, Cancelled);
        answers.Release();
        await Deadline.UntilAsync(() => shop.DeadLetterCountAsync(Cancelled), count => count >= Count, Cancelled);
    }

    [Fact]
    public async Task A_broker_short_of_memory_keeps_no_order_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var before = await shop.SellAsync(1, OrderCount / 2, Cancelled);
        await shop.PublishAsync("not an order", Cancelled);
        var after = await shop.SellAsync(1_001, OrderCount / 2, Cancelled);
        await servers.RabbitMq.ControlAsync(Cancelled, "set_vm_memory_high_watermark", "absolute", "1048576");
        try
        {
            await shop.BlockedAsync(Cancelled);
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await shop.SettledAsync(before.Concat(after), Cancelled, SoonMs);
            // They are acked as well: no message is held any more.
            await worker.StopAsync(Cancelled);
            Assert.Equal(0u, await shop.QueuedCountAsync(Cancelled));
        }
        finally
        {
            await servers.RabbitMq.ControlAsync(CancellationToken.None, "set_vm_memory_high_watermark", "0.6");
        }

        Assert.Equal("not an order", Encoding.UTF8.GetString((await shop.DeadLetterAsync(Cancelled)).Body.Span));
    }

    [Fact]
    public async Task A_message_that_ends_sessions_is_found_and_dead_lettered()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount + 1, Cancelled);
        var before = await shop.SellAsync(1, OrderCount / 2, Cancelled);
        var trace = ActivityTraceId.CreateRandom();
        // The message is fine, but settling it in Redis fails in an unforeseen way.
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("Seckill", StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> options) => options.TraceId != trace ? ActivitySamplingResult.None
                : options.Name.Contains("settle", StringComparison.Ordinal)
                ? throw new NotSupportedException("planted")
                : ActivitySamplingResult.AllData,
        };
        ActivitySource.AddActivityListener(listener);
        var bad = await shop.ReserveAsync(5_000, Cancelled);
        await shop.PublishAsync(bad with { TraceParent = $"00-{trace}-2222222222222222-01" }, Cancelled);
        var after = await shop.SellAsync(1_001, OrderCount / 2, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);

        await shop.SettledAsync(before.Concat(after), Cancelled, SoonMs);

        var letter = await shop.DeadLetterAsync(Cancelled, SoonMs);
        Assert.Contains("it alone ended", ReasonOf(letter), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_knows_that_nothing_is_acked_though_messages_are_at_hand()
    {
        await using var shop = await Shop.OpenAsync(servers, 10, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, new() { ["Worker:NoAckMsMax"] = "1000" });
        await worker.ConsumingAsync(Cancelled);
        List<OrderMessage> orders;
        await using (var locking = await servers.OpenMySqlAsync(Cancelled))
        {
            await using var command = locking.CreateCommand();
            command.CommandText = "LOCK TABLES orders WRITE";
            await command.ExecuteNonQueryAsync(Cancelled);
            orders = await shop.SellAsync(1, 10, Cancelled);

            // The first look may come before all messages have arrived.
            await Deadline.UntilAsync(
                () => worker.EntryAsync("acking", Cancelled),
                entry => entry.Status == HealthStatus.Unhealthy
                    && entry.Description?.Contains("10 messages held", StringComparison.Ordinal) == true,
                Cancelled);
        }

        await shop.SettledAsync(orders, Cancelled);
        await worker.HealthAsync("acking", HealthStatus.Healthy, Cancelled);
    }

    /// <summary>Takes the bad message together with good orders: these are written soon, and the bad one is the next dead letter.</summary>
    private async Task<BasicGetResult> OrdersPassAsync(
        Shop shop, Dictionary<string, string?>? settings = null, int expectedCount = OrderCount)
    {
        // The worker starts last and takes all messages at once, so that it holds the bad one and the good ones together.
        var orders = await shop.SellAsync(1_001, OrderCount, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, settings);
        await shop.SettledAsync(orders, Cancelled, SoonMs);
        var letter = await shop.DeadLetterAsync(Cancelled);
        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count == expectedCount, Cancelled);
        return letter;
    }

    private static string ReasonOf(BasicGetResult letter) =>
        Encoding.UTF8.GetString((byte[])letter.BasicProperties.Headers![DeadLetterHeaders.Reason]!);
}
