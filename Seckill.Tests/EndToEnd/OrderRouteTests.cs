using System.Net;
using System.Text;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.EndToEnd;

/// <summary>The route through HTTP, with the real processes and servers.</summary>
[Collection(nameof(RunningSystem))]
public sealed class OrderRouteTests(RunningSystem running)
{
    private static long _nextUser = 5_000;

    private readonly LocalSystem _system = running.System;
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_click_becomes_an_order_with_a_snapshot_of_what_was_bought()
    {
        await _system.AddSaleAsync(20_001, units: 5, limitPerUser: 3, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(20_001, _cancellation);
        var token = await client.LogInAsync(User(), _cancellation);

        var answer = await client.BuyAsync(token, 20_001, _cancellation, quantity: 2);
        Assert.Equal((HttpStatusCode.OK, "queued"), (answer.Status, answer.Text("message")));
        var outcome = await client.OutcomeAsync(token, 20_001, _cancellation);
        Assert.Equal(
            ("SUCCESS", answer.Text("order_id"), answer.Text("order_sn")),
            (outcome.Text("status"), outcome.Text("order_id"), outcome.Text("order_sn")));

        await using var mySql = await _system.OpenMySqlAsync(_cancellation);
        await using var command = new MySqlCommand(
            "SELECT o.total_amount, o.status, i.title, i.image, i.price, i.quantity, i.attrs, length(o.trace_id) FROM orders o JOIN "
                + "order_items i ON i.order_id = o.id WHERE o.id = @id",
            mySql);
        command.Parameters.AddWithValue("@id", long.Parse(answer.Text("order_id")!, System.Globalization.CultureInfo.InvariantCulture));
        await using var row = await command.ExecuteReaderAsync(_cancellation);
        Assert.True(await row.ReadAsync(_cancellation));
        Assert.Equal(
            (19.80m, 0, "Test SKU", "/img/test.svg", 9.90m, 2, "{}", 32),
            (row.GetDecimal(0), row.GetInt32(1), row.GetString(2), row.GetString(3), row.GetDecimal(4), row.GetInt32(5), row.GetString(6),
                row.GetInt32(7)));
        await BooksBalanceAsync(20_001, units: 5, sold: 2);
    }

    [Fact]
    public async Task The_same_click_is_one_order_on_whichever_instance_it_lands()
    {
        await _system.AddSaleAsync(20_002, units: 1, limitPerUser: 5, _cancellation);
        using var one = _system.Client(_system.Apis[0]);
        using var two = _system.Client(_system.Apis[1]);
        await one.WaitUntilOnSaleAsync(20_002, _cancellation);
        await two.WaitUntilOnSaleAsync(20_002, _cancellation);
        var token = await one.LogInAsync(User(), _cancellation);

        var clicks = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(i => (i % 2 == 0 ? one : two).BuyAsync(token, 20_002, _cancellation, clientOrderNo: "click-1")));
        // There is one unit: every repeat finds the order instead of "sold out", even with the shield armed.
        Assert.All(clicks, click => Assert.Equal((HttpStatusCode.OK, clicks[0].Text("order_id")), (click.Status, click.Text("order_id"))));
        Assert.Equal("SUCCESS", (await two.OutcomeAsync(token, 20_002, _cancellation, "click-1")).Text("status"));
        var other = await one.LogInAsync(User(), _cancellation);
        Assert.Equal("sold out", (await one.BuyAsync(other, 20_002, _cancellation)).Error);
        Assert.Equal(
            clicks[0].Text("order_id"), (await two.BuyAsync(token, 20_002, _cancellation, clientOrderNo: "click-1")).Text("order_id"));
        await BooksBalanceAsync(20_002, units: 1, sold: 1);
    }

    [Fact]
    public async Task A_crowd_buys_what_there_is_and_not_one_more()
    {
        const int Units = 50, Buyers = 400;
        await _system.AddSaleAsync(20_003, Units, limitPerUser: 1, _cancellation);
        using var one = _system.Client(_system.Apis[0]);
        using var two = _system.Client(_system.Apis[1]);
        await one.WaitUntilOnSaleAsync(20_003, _cancellation);
        await two.WaitUntilOnSaleAsync(20_003, _cancellation);

        var answers = await Task.WhenAll(Enumerable.Range(0, Buyers).Select(async i =>
        {
            var client = i % 2 == 0 ? one : two;
            var token = await client.LogInAsync(User(), _cancellation);
            // A busy machine may answer "busy"; the same number is safe to send again.
            var answer = await Deadline.UntilAsync(
                () => client.BuyAsync(token, 20_003, _cancellation, clientOrderNo: "click"),
                answer => answer.Status != HttpStatusCode.ServiceUnavailable, _cancellation);
            return (Token: token, Answer: answer);
        }));
        var queued = answers.Where(a => a.Answer.Status == HttpStatusCode.OK).ToArray();
        Assert.Equal(Units, queued.Length);
        Assert.All(answers.Except(queued), a => Assert.Equal((HttpStatusCode.BadRequest, "sold out"), (a.Answer.Status, a.Answer.Error)));
        foreach (var (token, _) in queued)
        {
            Assert.Equal("SUCCESS", (await one.OutcomeAsync(token, 20_003, _cancellation)).Text("status"));
        }

        await BooksBalanceAsync(20_003, Units, Units);
    }

    [Fact]
    public async Task The_sales_rules_are_kept()
    {
        await _system.AddSaleAsync(20_004, units: 9, limitPerUser: 2, _cancellation);
        await _system.AddSaleAsync(20_005, units: 9, limitPerUser: 2, _cancellation, startsIn: TimeSpan.FromHours(1));
        await _system.AddSaleAsync(20_006, units: 9, limitPerUser: 2, _cancellation, endsIn: TimeSpan.FromMinutes(-1));
        using var client = _system.Client();
        foreach (var sku in new[] { 20_004, 20_005, 20_006 })
        {
            await client.WaitUntilOnSaleAsync(sku, _cancellation);
        }

        var token = await client.LogInAsync(User(), _cancellation);
        Assert.Equal("queued", (await client.BuyAsync(token, 20_004, _cancellation, quantity: 2)).Text("message"));
        Assert.Equal("limit reached", (await client.BuyAsync(token, 20_004, _cancellation)).Error);
        Assert.Equal("not started", (await client.BuyAsync(token, 20_005, _cancellation)).Error);
        Assert.Equal("ended", (await client.BuyAsync(token, 20_006, _cancellation)).Error);
        Assert.Equal((HttpStatusCode.NotFound, "unknown sku"), await StatusAndErrorAsync(client.BuyAsync(token, 1, _cancellation)));
        Assert.Equal((HttpStatusCode.NotFound, "no order"), await StatusAndErrorAsync(client.StatusAsync(token, 20_005, _cancellation)));
    }

    [Fact]
    public async Task A_sale_that_was_over_so_long_ago_that_Redis_may_forget_it_stays_over()
    {
        await _system.AddSaleAsync(
            20_009, units: 9, limitPerUser: 2, _cancellation, startsIn: TimeSpan.FromDays(-9), endsIn: TimeSpan.FromDays(-8));
        using var client = _system.Client();
        var warm = await client.PostAsync("/api/ops/warm-up", null, _cancellation, await client.LogInAsync(2, _cancellation, "operator"));

        Assert.DoesNotContain("20009", warm.Body.GetRawText(), StringComparison.Ordinal);
        Assert.Equal("ended", (await client.BuyAsync(await client.LogInAsync(User(), _cancellation), 20_009, _cancellation)).Error);
        Assert.Equal(0, await _system.CountAsync("SELECT gate_epoch FROM product_skus WHERE id = 20009", _cancellation));
    }

    [Fact]
    public async Task An_order_from_another_producer_in_the_plain_shape_becomes_an_order()
    {
        await _system.AddSaleAsync(20_007, units: 9, limitPerUser: 2, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(20_007, _cancellation);
        var user = User();

        // Like the tutorial's own producer: deduct, then publish, without confirm or properties.
        await _system.RedisConnection.GetDatabase().StringDecrementAsync("stock:sku:20007");
        var factory = new ConnectionFactory { Uri = new Uri(_system.RabbitMqConnectionString) };
        await using var connection = await factory.CreateConnectionAsync(_cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation);
        var body = $"{{\"user_id\":{user},\"sku_id\":20007,\"quantity\":1,\"client_order_no\":\"front-uuid-1\"}}";
        for (var copy = 0; copy < 2; copy++)
        {
            await channel.BasicPublishAsync(OrderTopology.Exchange, OrderTopology.RoutingKey, Encoding.UTF8.GetBytes(body), _cancellation);
        }

        var token = await client.LogInAsync(user, _cancellation);
        Assert.Equal("SUCCESS", (await client.OutcomeAsync(token, 20_007, _cancellation, "front-uuid-1")).Text("status"));
        await BooksBalanceAsync(20_007, units: 9, sold: 1);
    }

    [Fact]
    public async Task Stock_that_comes_back_opens_the_shield_by_itself()
    {
        await _system.AddSaleAsync(20_008, units: 1, limitPerUser: 1, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(20_008, _cancellation);
        var winner = await client.LogInAsync(User(), _cancellation);
        var loser = await client.LogInAsync(User(), _cancellation);
        Assert.Equal("queued", (await client.BuyAsync(winner, 20_008, _cancellation)).Text("message"));
        await client.OutcomeAsync(winner, 20_008, _cancellation);
        Assert.Equal("sold out", (await client.BuyAsync(loser, 20_008, _cancellation)).Error);

        // Without a message, as if the outcome channel were down.
        await _system.RedisConnection.GetDatabase().StringIncrementAsync("stock:sku:20008");
        var bought = await Deadline.UntilAsync(
            () => client.BuyAsync(loser, 20_008, _cancellation), answer => answer.Status == HttpStatusCode.OK, _cancellation);
        Assert.Equal("queued", bought.Text("message"));
    }

    private static long User() => Interlocked.Increment(ref _nextUser);

    private static async Task<(HttpStatusCode, string?)> StatusAndErrorAsync(Task<ApiAnswer> answer) =>
        ((await answer).Status, (await answer).Error);

    /// <summary>Both stores, once all is settled: nothing oversold, nothing leaked.</summary>
    private async Task BooksBalanceAsync(long skuId, int units, int sold)
    {
        await Deadline.UntilAsync(
            async () => (
                Redis: (long)await _system.RedisConnection.GetDatabase().StringGetAsync($"stock:sku:{skuId}"),
                Unsettled: await _system.RedisConnection.GetDatabase().SortedSetLengthAsync($"{{stock:sku:{skuId}}}:outbox"),
                MySql: await _system.CountAsync($"SELECT stock FROM product_skus WHERE id = {skuId}", _cancellation),
                Sold: await _system.CountAsync(
                    $"SELECT COALESCE(SUM(quantity), 0) FROM order_items WHERE sku_id = {skuId}", _cancellation)),
            books => books == (units - sold, 0, units - sold, sold),
            _cancellation);
    }
}
