using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.OrderWorker.Writing;

namespace Seckill.Tests.Worker;

/// <content>What stays as promised: the price, the answer, and the owner of an id.</content>
public abstract partial class OrderWritingTests
{
    [Fact]
    public async Task An_order_is_charged_and_shows_what_it_was_accepted_under()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled, price: 1_999m);
        var shown = Offer.Of(1_999m, "规格 / sku", "/img/s.svg", """{"color":"red"}""");
        var unrecorded = Offer.Of(1_500m, "an hour ago", "", "{}");
        await shop.AskAsync<object?>(
            $"""
            INSERT INTO sku_offers (sku_id, version, price, title, image, attrs, offered_at)
            SELECT id, '{shown.Version}', price, title, image, attrs, UTC_TIMESTAMP(6) FROM product_skus WHERE id = @sku;
            UPDATE product_skus SET price = 5999, title = 'another', image = '/img/a.svg', attrs = '[]' WHERE id = @sku
            """,
            Cancelled);
        OrderMessage[] orders =
        [
            await shop.ReserveAsync(1, Cancelled, quantity: 2) with { Offer = shown.Text },
            await shop.ReserveAsync(2, Cancelled) with { Offer = unrecorded.Text },
            await shop.ReserveAsync(3, Cancelled),
        ];
        foreach (var order in orders)
        {
            await shop.PublishAsync(order, Cancelled);
        }

        await using var worker = await StartAsync();
        await shop.SettledAsync(orders, Cancelled);

        Assert.Equal("3998.00 1999.00 规格 / sku /img/s.svg {\"color\":\"red\"}", await LineOf(1));
        Assert.Equal("1500.00 1500.00 another /img/a.svg []", await LineOf(2));
        Assert.Equal("5999.00 5999.00 another /img/a.svg []", await LineOf(3));

        Task<string> LineOf(long userId) => shop.AskAsync<string>(
            $"""
            SELECT CONCAT_WS(' ', o.total_amount, i.price, i.title, i.image, i.attrs) FROM orders o
            JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku AND i.user_id = {userId}
            """,
            Cancelled);
    }

    [Fact]
    public async Task Another_producers_order_that_was_refused_stays_refused_when_its_message_comes_again()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 1, Cancelled);
        await using var worker = await StartAsync();
        var (first, second) = (Message(Click("first")), Message(Click("second")));
        await shop.PublishAsync(first, Cancelled);
        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count == 1, Cancelled);
        await shop.PublishAsync(second, Cancelled);
        await Deadline.UntilAsync(() => RefusedAsync(), count => count == 1, Cancelled);
        await shop.AskAsync<object?>("UPDATE product_skus SET stock = stock + 5 WHERE id = @sku", Cancelled);

        for (var i = 0; i < 3; i++)
        {
            await shop.PublishAsync(second, Cancelled);
        }

        await shop.PublishAsync(Message(Click("third")), Cancelled);
        await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count == 2, Cancelled);
        Assert.Equal(1, await RefusedAsync());
        Assert.Equal(OrderState.Failed, (await shop.Ledger.FindAsync(shop.Sku, 77, Click("second"), Cancelled))!.State);

        string Message(string click) =>
            $$"""{"user_id":77,"sku_id":{{shop.Sku.SkuId}},"quantity":1,"client_order_no":"{{click}}"}""";

        Task<int> RefusedAsync() => shop.AskAsync<int>("SELECT COUNT(*) FROM order_rejections WHERE sku_id = @sku", Cancelled);
    }

    [Fact]
    public async Task An_order_whose_id_another_order_has_fails_and_its_units_go_back()
    {
        await using var first = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var second = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var order = await first.ReserveAsync(5, Cancelled);
        var twin = await second.ReserveAsync(6, Cancelled, orderId: order.OrderId);
        await first.PublishAsync(order, Cancelled);
        await using var worker = await StartAsync();
        Assert.Equal(OrderState.Success, (await first.SettledAsync(order, Cancelled)).State);

        await second.PublishAsync(twin, Cancelled);
        await second.PublishAsync(twin, Cancelled);

        var refused = await second.SettledAsync(twin, Cancelled);
        Assert.Equal((OrderState.Failed, "order id was used for another order"), (refused.State, refused.Detail));
        await Deadline.UntilAsync(() => second.QueuedCountAsync(Cancelled), count => count == 0, Cancelled);
        Assert.Equal(10, await second.RedisStockAsync(Cancelled));
        await first.AssertConservedAsync(Cancelled);
        await second.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task An_order_whose_buyer_was_told_the_opposite_is_named_in_the_log()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var order = await shop.ReserveAsync(5, Cancelled);
        var id = order.OrderId!.Value;
        await shop.Ledger.SettleAsync(
            shop.Sku, [new Settlement(id, false, "abandoned", false, 0, order.Quantity, order.UserId, null, order.Epoch)], Cancelled);
        await shop.PublishAsync(order, Cancelled);
        using var log = new LogLines();
        await using var worker = await RunningWorker.StartAsync(
            servers, Cancelled, replace: services => services.AddSingleton<ILoggerProvider>(log));

        var told = string.Create(
            CultureInfo.InvariantCulture,
            $"The buyer of order {id} of SKU {shop.Sku.SkuId} was told FAILED, but MySQL's verdict is SUCCESS");
        await Deadline.UntilAsync(
            () => Task.FromResult(
                log.Lines.Any(line => line.Level == LogLevel.Error && line.Text.StartsWith(told, StringComparison.Ordinal))),
            isNamed => isNamed, Cancelled);

        Assert.Equal(1, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(OrderState.Failed, (await shop.SettledAsync(order, Cancelled)).State);
    }

    /// <summary>The server ends a session that is silent for that long and rolls it back, so another worker writes the orders.</summary>
    [Fact]
    public async Task A_worker_that_freezes_keeps_a_row_locked_for_a_bounded_time()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 1, Cancelled);
        var orders = await shop.SellAsync(1, 1, Cancelled);
        await RunAsync("CREATE TABLE sessions_seen (idle_seconds INT NOT NULL)");
        try
        {
            await RunAsync("""
                CREATE TRIGGER see_session BEFORE INSERT ON orders FOR EACH ROW
                INSERT INTO sessions_seen VALUES (@@SESSION.wait_timeout)
                """);
            await using var worker = await StartAsync();

            await shop.SettledAsync(orders, Cancelled);

            Assert.Equal(
                BatchLookUp.IdleSecondsMax, await shop.AskAsync<string>("SELECT MAX(idle_seconds) FROM sessions_seen", Cancelled));
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS see_session");
            await RunAsync("DROP TABLE sessions_seen");
        }
    }

    private async Task RunAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsAdministratorAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancelled);
    }
}
