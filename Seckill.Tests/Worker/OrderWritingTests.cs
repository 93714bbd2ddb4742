using System.Globalization;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Worker;

/// <summary>The outcomes of orders on real servers.</summary>
public abstract partial class OrderWritingTests(WorkerServers servers, ITestOutputHelper output, int lookUpsAfterSurprise)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_batch_writes_orders_items_and_stock_in_one_go()
    {
        output.WriteLine(servers.Versions);
        await using var shop = await Shop.OpenAsync(servers, stock: 500, Cancelled);
        var told = new List<string>();
        await servers.RedisConnection.GetSubscriber().SubscribeAsync(RedisChannel.Literal(StockLedger.OutcomeChannel), (_, value) =>
        {
            lock (told)
            {
                told.AddRange(((string)value!).Split('\n')[2..]);
            }
        });
        var messages = await shop.SellAsync(1, 300, Cancelled);

        await using var worker = await StartAsync(new() { ["Worker:BatchSizeMax"] = "300", ["Worker:BatchWaitMsMax"] = "1000" });
        await shop.SettledAsync(messages, Cancelled);

        Assert.Equal(300, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(200, await shop.MySqlStockAsync(Cancelled));
        Assert.Equal(1, await shop.AskAsync<int>(
            "SELECT COUNT(DISTINCT o.created_at) FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku", Cancelled));
        await shop.AssertConservedAsync(Cancelled);
        await Deadline.UntilAsync(() => Task.FromResult(told.Count), count => count == 300, Cancelled);
        var first = messages[0].OrderId!.Value.ToString(CultureInfo.InvariantCulture);
        Assert.Contains(
            told,
            line => line.StartsWith($"{first}|S|1|1|", StringComparison.Ordinal) && line.EndsWith($"|{first}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_number_that_was_used_for_another_SKU_is_no_success()
    {
        await using var first = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var second = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var order = await first.ReserveAsync(5, Cancelled, clientOrderNo: Click("one"));
        var other = await second.ReserveAsync(5, Cancelled, clientOrderNo: Click("one"));
        await first.PublishAsync(order, Cancelled);
        await second.PublishAsync(other, Cancelled);
        await using var worker = await StartAsync();

        Assert.Equal(OrderState.Success, (await first.SettledAsync(order, Cancelled)).State);
        var refused = await second.SettledAsync(other, Cancelled);
        Assert.Equal(OrderState.Failed, refused.State);
        Assert.Equal("client_order_no was used for another order", refused.Detail);
        Assert.Equal(0, await second.OrderCountAsync(Cancelled));
        Assert.Equal(10, await second.RedisStockAsync(Cancelled));
        await second.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task The_price_in_the_reservation_is_charged_though_the_message_has_none()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled, price: 19.99m);
        var order = await shop.ReserveAsync(5, Cancelled, quantity: 2, offer: Offer.Of(15m, "Phone", "", "").Text);
        Assert.Null(order.Offer);
        await shop.PublishAsync(order, Cancelled);
        await using var worker = await StartAsync();

        Assert.Equal(OrderState.Success, (await shop.SettledAsync(order, Cancelled)).State);
        Assert.Equal(30m, await shop.AskAsync<decimal>(
            "SELECT o.pay_amount FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku", Cancelled));
    }

    [Fact]
    public async Task The_plain_message_of_any_producer_becomes_an_order_with_a_snapshot()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled, price: 19.99m);
        await using var worker = await StartAsync();

        // Another producer deducts from the contract's key itself, and publishes without any property.
        await servers.RedisConnection.GetDatabase().StringDecrementAsync(shop.Sku.Stock, 2);
        await shop.PublishAsync(
            $$"""{"user_id":123,"sku_id":{{shop.Sku.SkuId}},"quantity":2,"client_order_no":"{{Click("front-uuid")}}"}""", Cancelled,
            new BasicProperties());

        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count == 1, Cancelled);
        var row = await shop.AskAsync<string>(
            """
            SELECT CONCAT_WS('|', o.user_id, o.status, o.total_amount, o.pay_amount, o.client_order_no, o.order_sn = CAST(o.id AS CHAR),
              i.product_id, i.title, i.image, i.price, i.quantity, i.attrs, o.expires_at = o.created_at + INTERVAL 15 MINUTE)
            FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku
            """, Cancelled);
        Assert.Equal(
            $$"""123|0|39.98|39.98|{{Click("front-uuid")}}|1|{{shop.Sku.SkuId}}|规格 / sku|/img/s.svg|19.99|2|{"color":"red"}|1""", row);
        var found = await Deadline.UntilAsync(
            () => shop.Ledger.FindAsync(shop.Sku, 123, Click("front-uuid"), Cancelled), r => r is not null, Cancelled);
        Assert.Equal(OrderState.Success, found!.State);
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task The_same_order_delivered_often_is_one_order()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await StartAsync();
        var message = await shop.ReserveAsync(7, Cancelled, quantity: 3);
        var marker = await shop.ReserveAsync(8, Cancelled);

        await shop.PublishAsync(message, Cancelled);
        await shop.PublishAsync(message, Cancelled);
        await shop.SettledAsync(message, Cancelled);
        await shop.PublishAsync(message, Cancelled);
        await shop.PublishAsync(marker, Cancelled);
        await shop.SettledAsync(marker, Cancelled);

        Assert.Equal(2, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(6, await shop.MySqlStockAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task The_same_click_under_two_ids_is_one_order_and_the_second_gives_back()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await StartAsync();
        var first = await shop.ReserveAsync(7, Cancelled, clientOrderNo: Click("click"));
        // Redis loses the click, so the gate accepts it again.
        await servers.RedisConnection.GetDatabase().KeyDeleteAsync(shop.Sku.Clicks);
        var second = await shop.ReserveAsync(7, Cancelled, clientOrderNo: Click("click"));
        Assert.Equal(8, await shop.RedisStockAsync(Cancelled));

        await shop.PublishAsync(first, Cancelled);
        await shop.PublishAsync(second, Cancelled);
        var settled = await shop.SettledAsync(second, Cancelled);
        await shop.SettledAsync(first, Cancelled);

        Assert.Equal(OrderState.Success, settled.State);
        Assert.Equal(first.OrderId!.Value.ToString(CultureInfo.InvariantCulture), settled.Detail);
        Assert.Equal(1, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(9, await shop.RedisStockAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task An_order_beyond_MySQLs_stock_fails_and_gives_back_once()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await StartAsync();
        // A wrong Redis: MySQL has less stock than the gate.
        await shop.AskAsync<object?>("UPDATE product_skus SET stock = 1 WHERE id = @sku", Cancelled);
        var messages = await shop.SellAsync(1, 3, Cancelled);
        await shop.SettledAsync(messages, Cancelled);
        await shop.PublishAsync(messages[1], Cancelled);
        await shop.PublishAsync(messages[2], Cancelled);
        var marker = await shop.ReserveAsync(9, Cancelled);
        await shop.PublishAsync(marker, Cancelled);
        await shop.SettledAsync(marker, Cancelled);

        var states = await Task.WhenAll(messages.Select(message => shop.SettledAsync(message, Cancelled)));
        Assert.Equal(["S", "F sold out", "F sold out"], states.Select(s => s.State == OrderState.Success ? "S" : $"F {s.Detail}"));
        Assert.Equal(1, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(3, await shop.AskAsync<int>("SELECT COUNT(*) FROM order_rejections WHERE sku_id = @sku", Cancelled));
        Assert.Equal(0, await shop.MySqlStockAsync(Cancelled));
        Assert.Equal(9, await shop.RedisStockAsync(Cancelled));
    }

    [Fact]
    public async Task An_unknown_sku_fails_with_its_reason()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await StartAsync();
        var message = await shop.ReserveAsync(7, Cancelled);
        await shop.AskAsync<object?>("DELETE FROM product_skus WHERE id = @sku", Cancelled);

        await shop.PublishAsync(message, Cancelled);
        var settled = await shop.SettledAsync(message, Cancelled);

        Assert.Equal(OrderState.Failed, settled.State);
        Assert.Equal("unknown sku", settled.Detail);
        Assert.Equal(10, await shop.RedisStockAsync(Cancelled));
    }

    [Fact]
    public async Task One_message_may_carry_many_orders_and_a_bad_one_stands_alone()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 1_000, Cancelled);
        await using var worker = await StartAsync(new() { ["Worker:BatchSizeMax"] = "64" });
        var messages = new List<OrderMessage>();
        for (var i = 0; i < 200; i++)
        {
            messages.Add(await shop.ReserveAsync(1 + i, Cancelled));
        }

        var bodies = messages.Select(message => Encoding.UTF8.GetString(message.ToUtf8Json())).ToList();
        bodies.Insert(100, """{"user_id":5,"sku_id":0,"quantity":1}""");
        await shop.PublishAsync($"[{string.Join(',', bodies)}]", Cancelled);
        await shop.SettledAsync(messages, Cancelled);

        var letter = await shop.DeadLetterAsync(Cancelled);
        Assert.Equal("""{"user_id":5,"sku_id":0,"quantity":1}""", Encoding.UTF8.GetString(letter.Body.Span));
        Assert.Equal(200, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task A_message_id_makes_another_producers_message_unmistakable()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await StartAsync();
        var body = $$"""{"user_id":77,"sku_id":{{shop.Sku.SkuId}},"quantity":1}""";
        var longId = Click(new string('x', 200));

        foreach (var id in new[] { Click("m-1"), longId, Click("m-1"), longId })
        {
            await shop.PublishAsync(body, Cancelled, new BasicProperties { MessageId = id });
        }

        var marker = await shop.ReserveAsync(9, Cancelled);
        await shop.PublishAsync(marker, Cancelled);
        await shop.SettledAsync(marker, Cancelled);

        Assert.Equal(3, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
    }

    /// <summary>A unique name for a click or message of this class, because MySQL accepts each only once.</summary>
    private string Click(string name) => string.Create(CultureInfo.InvariantCulture, $"{name}-{lookUpsAfterSurprise}");

    private Task<RunningWorker> StartAsync(Dictionary<string, string?>? settings = null) => RunningWorker.StartAsync(
        servers, Cancelled,
        new(settings ?? []) { ["Worker:LookUpsAfterSurprise"] = lookUpsAfterSurprise.ToString(CultureInfo.InvariantCulture) });
}

/// <summary>Every batch looks its orders up under the SKUs' locks, as after a start.</summary>
[Collection(nameof(WorkerServers))]
public sealed class CarefulOrderWritingTests(WorkerServers servers, ITestOutputHelper output)
    : OrderWritingTests(servers, output, lookUpsAfterSurprise: 10_000);

/// <summary>Every batch is tried the quick way first.</summary>
[Collection(nameof(WorkerServers))]
public sealed class QuickOrderWritingTests(WorkerServers servers, ITestOutputHelper output)
    : OrderWritingTests(servers, output, lookUpsAfterSurprise: 0);
