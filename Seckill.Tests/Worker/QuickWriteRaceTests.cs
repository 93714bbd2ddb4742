using System.Globalization;
using MySqlConnector;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Worker;

/// <summary>
/// Changes between the quick way's reading and its deduction. A transaction of the test holds the SKU's row until the worker has
/// inserted and waits for it, then commits a change that the worker could not have read.
/// </summary>
[Collection(nameof(WorkerServers))]
public sealed class QuickWriteRaceTests(WorkerServers servers)
{
    /// <summary>
    /// Deductions that wait for the row: those workers have already inserted. Not from innodb_trx, whose contents
    /// are not refreshed for a reader that polls more than ten times a second.
    /// </summary>
    private const string Waiting =
        "SELECT COUNT(*) FROM information_schema.processlist "
            + "WHERE info LIKE 'UPDATE product_skus SET stock = stock - % AND gate_epoch = %'";

    private static readonly Dictionary<string, string?> QuickAlways = new() { ["Worker:LookUpsAfterSurprise"] = "0" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_changed_and_the_orders_stand()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var orders = await RaceAsync(shop, count: 3, _ => "DO 0");

        Assert.All(orders, order => Assert.Equal(OrderState.Success, order.State));
        Assert.Equal(7, await shop.MySqlStockAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task Stock_that_was_taken_away_is_not_sold()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var orders = await RaceAsync(shop, count: 3, _ => "UPDATE product_skus SET stock = 2 WHERE id = @sku");

        Assert.Equal(2, orders.Count(order => order.State == OrderState.Success));
        Assert.Equal("sold out", Assert.Single(orders, order => order.State == OrderState.Failed).Detail);
        Assert.Equal(2, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(0, await shop.MySqlStockAsync(Cancelled));
    }

    [Fact]
    public async Task An_order_belongs_to_the_epoch_that_it_was_committed_in()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var before = await shop.AskAsync<long>("SELECT gate_epoch FROM product_skus WHERE id = @sku", Cancelled);
        await RaceAsync(shop, count: 3, _ => "UPDATE product_skus SET gate_epoch = gate_epoch + 1 WHERE id = @sku");

        Assert.Equal(
            $"{before + 1}x3",
            await shop.AskAsync<string>(
                "SELECT CONCAT(MIN(o.gate_epoch), 'x', COUNT(*)) FROM orders o JOIN order_items i ON i.order_id = o.id "
                    + "WHERE i.sku_id = @sku",
                Cancelled));
        Assert.Equal(7, await shop.MySqlStockAsync(Cancelled));
    }

    [Fact]
    public async Task An_order_refused_meanwhile_stays_refused()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        var orders = await RaceAsync(shop, count: 3, messages => string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO order_rejections (order_id, user_id, sku_id, quantity, reason, trace_id, created_at)
            VALUES ({messages[1].OrderId}, {messages[1].UserId}, @sku, 1, 'abandoned', '', UTC_TIMESTAMP(6))
            """));

        Assert.Equal([OrderState.Success, OrderState.Failed, OrderState.Success], orders.Select(order => order.State));
        Assert.Equal("abandoned", orders[1].Detail);
        Assert.Equal(2, await shop.OrderCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task A_buyer_who_has_bought_meanwhile_gets_no_more_than_the_limit()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await LimitAsync(shop, 1);
        var orders = await RaceAsync(shop, count: 3, messages => string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO orders (id, order_sn, user_id, status, total_amount, pay_amount, gate_epoch, trace_id, reserved_at, picked_up_at,
                created_at, expires_at)
            VALUES (@sku, @sku, {messages[1].UserId}, 0, 1, 1, 1, '', UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP());
            INSERT INTO order_items (order_id, user_id, product_id, sku_id, title, image, price, quantity, attrs)
            VALUES (@sku, {messages[1].UserId}, 1, @sku, '', '', 1, 1, '')
            """));

        Assert.Equal([OrderState.Success, OrderState.Failed, OrderState.Success], orders.Select(order => order.State));
        Assert.Equal("limit reached", orders[1].Detail);
        Assert.Equal(8, await shop.MySqlStockAsync(Cancelled));
    }

    [Fact]
    public async Task Closed_orders_do_not_count_and_a_limit_that_was_lowered_holds_for_what_comes_after()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await LimitAsync(shop, 1, highest: 2);
        await shop.AskAsync<object?>("""
            INSERT INTO orders (id, order_sn, user_id, status, total_amount, pay_amount, gate_epoch, trace_id, reserved_at, picked_up_at,
                created_at, expires_at)
            VALUES (@sku, @sku, 1, 2, 1, 1, 1, '', UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP());
            INSERT INTO order_items (order_id, user_id, product_id, sku_id, title, image, price, quantity, attrs)
            VALUES (@sku, 1, 1, @sku, '', '', 1, 1, '')
            """, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, QuickAlways);
        var message = await shop.ReserveAsync(1, Cancelled, quantity: 2);
        await shop.PublishAsync(message, Cancelled);

        Assert.Equal(OrderState.Success, (await shop.SettledAsync(message, Cancelled)).State);
        var beyond = await shop.ReserveAsync(1, Cancelled);
        await shop.PublishAsync(beyond, Cancelled);
        Assert.Equal((OrderState.Failed, "limit reached"), await OutcomeAsync(beyond));

        async Task<(OrderState, string?)> OutcomeAsync(OrderMessage order)
        {
            var settled = await shop.SettledAsync(order, Cancelled);
            return (settled.State, settled.Detail);
        }
    }

    [Fact]
    public async Task Full_batches_are_written_side_by_side_and_nothing_is_written_twice()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 2_000, Cancelled);
        var messages = await shop.SellAsync(1, 1_000, Cancelled);
        await using (var worker = await RunningWorker.StartAsync(
            servers, Cancelled, new(QuickAlways) { ["Worker:BatchSizeMax"] = "20", ["Worker:TransactionsMax"] = "4" }))
        {
            await shop.SettledAsync(messages, Cancelled);
        }

        // The worker has stopped: everything unacked is in the queue again.
        Assert.Equal(0u, await shop.QueuedCountAsync(Cancelled));
        Assert.Equal(1_000, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(1_000, await shop.MySqlStockAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    /// <summary>Sets the limit in MySQL only, so that the gate does not have it, as after a loss of Redis.</summary>
    private static async Task LimitAsync(Shop shop, int limit, int? highest = null) => await shop.AskAsync<object?>(
        string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user, limit_highest)
            VALUES (@sku, UTC_TIMESTAMP(), UTC_TIMESTAMP() + INTERVAL 1 DAY, {limit},
                {highest?.ToString(CultureInfo.InvariantCulture) ?? "NULL"})
            """), Cancelled);

    /// <summary>Sells to a worker whose deduction has to wait for <paramref name="change"/>; returns the orders' outcomes.</summary>
    private async Task<Reservation[]> RaceAsync(Shop shop, int count, Func<List<OrderMessage>, string> change)
    {
        await using var holder = await servers.OpenMySqlAsync(Cancelled);
        await using var transaction = await holder.BeginTransactionAsync(Cancelled);
        await RunAsync(holder, transaction, shop, "SELECT id FROM product_skus WHERE id = @sku FOR UPDATE");

        await using var worker = await RunningWorker.StartAsync(
            servers, Cancelled, new(QuickAlways) { ["Worker:BatchWaitMsMax"] = "500", ["Worker:TransactionsMax"] = "1" });
        await worker.ConsumingAsync(Cancelled);
        var messages = await shop.SellAsync(1, count, Cancelled);
        await Deadline.UntilAsync(() => shop.AskAsync<int>(Waiting, Cancelled), waiting => waiting > 0, Cancelled);
        await RunAsync(holder, transaction, shop, change(messages));
        await transaction.CommitAsync(Cancelled);
        return await Task.WhenAll(messages.Select(message => shop.SettledAsync(message, Cancelled)));
    }

    private static async Task RunAsync(MySqlConnection connection, MySqlTransaction transaction, Shop shop, string sql)
    {
        await using var command = new MySqlCommand(sql, connection, transaction);
        command.Parameters.AddWithValue("@sku", shop.Sku.SkuId);
        await command.ExecuteNonQueryAsync(Cancelled);
    }
}
