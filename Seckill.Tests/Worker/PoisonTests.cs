using System.Globalization;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.DeadLetters;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Worker;

/// <summary>A message that can never become an order goes to the dead-letter queue, alone.</summary>
public abstract class PoisonTests(WorkerServers servers, int lookUpsAfterSurprise)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("not json", "malformed body")]
    [InlineData("", "malformed body")]
    [InlineData("[", "malformed body")]
    [InlineData("[]", "an array must contain")]
    [InlineData("null", "malformed body")]
    [InlineData("""{"user_id":1,"sku_id":1001}""", "malformed body")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":"one"}""", "malformed body")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":0}""", "quantity must be")]
    [InlineData("""{"user_id":1,"user_id":2,"sku_id":1001,"quantity":1}""", "malformed body")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"reserved_at_ms":999999999999999999}""", "reserved_at_ms is out of range")]
    public async Task A_bad_message_is_dead_lettered_with_its_reason_and_the_rest_commits(string body, string reason)
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 20, Cancelled);
        var before = await shop.SellAsync(1, 5, Cancelled);
        await shop.PublishAsync(body, Cancelled, new BasicProperties
        {
            MessageId = "bad-1",
            UserId = "seckill",
            Expiration = "600000",
            Headers = new Dictionary<string, object?>
            {
                ["x-shop"] = "kept",
                ["traceparent"] = "00-11111111111111111111111111111111-2222222222222222-01",
            },
        });
        var after = await shop.SellAsync(11, 5, Cancelled);

        await using var worker = await StartAsync(new() { ["Worker:BatchWaitMsMax"] = "500" });
        await shop.SettledAsync(before.Concat(after), Cancelled);
        var letter = await shop.DeadLetterAsync(Cancelled);

        Assert.Equal(body, Encoding.UTF8.GetString(letter.Body.Span));
        Assert.Equal("bad-1", letter.BasicProperties.MessageId);
        Assert.False(letter.BasicProperties.IsExpirationPresent());
        var headers = letter.BasicProperties.Headers!;
        Assert.Contains(reason, Text(headers[DeadLetterHeaders.Reason]));
        Assert.Equal(1L, headers[DeadLetterHeaders.Attempts]);
        Assert.Equal(Text(headers[DeadLetterHeaders.FirstAt]), Text(headers[DeadLetterHeaders.LastAt]));
        Assert.Equal("kept", Text(headers["x-shop"]));
        Assert.StartsWith("00-11111111111111111111111111111111-", Text(headers["traceparent"]), StringComparison.Ordinal);
        Assert.Equal(10, await shop.OrderCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task The_bad_parts_of_a_message_of_many_can_be_told_apart()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 20, Cancelled);
        await using var worker = await StartAsync();
        // MySQL accepts each message once, and both ways of writing share it.
        var many = $"many-{lookUpsAfterSurprise}";
        await shop.PublishAsync(
            $$"""
            [{"user_id":1,"sku_id":{{shop.Sku.SkuId}},"quantity":0},
            {"user_id":2,"sku_id":{{shop.Sku.SkuId}},"quantity":1},
            {"user_id":3,"sku_id":{{shop.Sku.SkuId}},"quantity":0}]
            """,
            Cancelled,
            new BasicProperties { MessageId = many });

        string?[] ids =
        [
            (await shop.DeadLetterAsync(Cancelled)).BasicProperties.MessageId,
            (await shop.DeadLetterAsync(Cancelled)).BasicProperties.MessageId,
        ];

        Assert.Equal([$"{many}#0", $"{many}#2"], ids);
        Assert.Equal(1, await shop.OrderCountAsync(Cancelled));
    }

    [Fact]
    public async Task A_replayed_dead_letter_counts_its_attempts()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 20, Cancelled);
        await using var worker = await StartAsync();
        await shop.PublishAsync("poison", Cancelled);
        var first = await shop.DeadLetterAsync(Cancelled);

        await shop.PublishAsync("poison", Cancelled, new BasicProperties { Headers = first.BasicProperties.Headers });
        var second = await shop.DeadLetterAsync(Cancelled);

        Assert.Equal(2L, second.BasicProperties.Headers![DeadLetterHeaders.Attempts]);
        Assert.Equal(
            Text(first.BasicProperties.Headers![DeadLetterHeaders.FirstAt]),
            Text(second.BasicProperties.Headers[DeadLetterHeaders.FirstAt]));
        Assert.NotEqual(
            Text(first.BasicProperties.Headers[DeadLetterHeaders.LastAt]), Text(second.BasicProperties.Headers[DeadLetterHeaders.LastAt]));
    }

    [Fact]
    public async Task An_order_that_MySQL_refuses_stands_alone_and_keeps_its_reservation()
    {
        // A thousand units at this price overflow the column of the total.
        await using var shop = await Shop.OpenAsync(servers, stock: 2_000, Cancelled, price: 9_999_999_999_999_999m);
        var before = await shop.SellAsync(1, 20, Cancelled);
        var bad = await shop.ReserveAsync(50, Cancelled, quantity: 1_000);
        await shop.PublishAsync(bad, Cancelled);
        var after = await shop.SellAsync(101, 20, Cancelled);

        await using var worker = await StartAsync(new() { ["Worker:BatchWaitMsMax"] = "500" });
        await shop.SettledAsync(before.Concat(after), Cancelled);
        var letter = await shop.DeadLetterAsync(Cancelled);

        Assert.Contains("refused by MySQL", Text(letter.BasicProperties.Headers![DeadLetterHeaders.Reason]));
        Assert.Equal(bad.ToUtf8Json(), letter.Body.ToArray());
        Assert.Equal(40, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(OrderState.Pending, (await shop.Ledger.FindAsync(shop.Sku, bad.OrderId!.Value, Cancelled))!.State);
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task An_order_id_that_is_another_buyers_is_poison()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 20, Cancelled);
        await using var worker = await StartAsync();
        var honest = await shop.ReserveAsync(1, Cancelled);
        await shop.PublishAsync(honest, Cancelled);
        await shop.SettledAsync(honest, Cancelled);

        // It has no reservation, so nobody waits for an answer.
        await shop.PublishAsync(honest with { UserId = 2, Epoch = null, ReservedAtMs = null }, Cancelled);

        var letter = await shop.DeadLetterAsync(Cancelled);
        Assert.Contains("another order", Text(letter.BasicProperties.Headers![DeadLetterHeaders.Reason]));
        Assert.Equal(1, await shop.OrderCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    private static string Text(object? header) => Encoding.UTF8.GetString((byte[])header!);

    private Task<RunningWorker> StartAsync(Dictionary<string, string?>? settings = null) => RunningWorker.StartAsync(
        servers, Cancelled,
        new(settings ?? []) { ["Worker:LookUpsAfterSurprise"] = lookUpsAfterSurprise.ToString(CultureInfo.InvariantCulture) });
}

/// <summary>Every batch looks its orders up under the SKUs' locks, as after a start.</summary>
[Collection(nameof(WorkerServers))]
public sealed class CarefulPoisonTests(WorkerServers servers) : PoisonTests(servers, lookUpsAfterSurprise: 10_000);

/// <summary>Every batch is tried the quick way first.</summary>
[Collection(nameof(WorkerServers))]
public sealed class QuickPoisonTests(WorkerServers servers) : PoisonTests(servers, lookUpsAfterSurprise: 0);
