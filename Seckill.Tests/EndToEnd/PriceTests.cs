using System.Net;
using MySqlConnector;

namespace Seckill.Tests.EndToEnd;

/// <summary>The buyer is charged the price that was shown, whatever is edited between click and writing.</summary>
[Collection(nameof(RunningSystem))]
public sealed class PriceTests(RunningSystem running)
{
    private readonly LocalSystem _system = running.System;
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_costs_what_the_click_was_told_and_not_what_the_SKU_costs_by_then()
    {
        const long Sku = 20_101;
        await _system.AddSaleAsync(Sku, units: 5, limitPerUser: 5, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(Sku, _cancellation);
        var token = await client.LogInAsync(20_101, _cancellation);
        var worker = _system.Workers[0];
        ApiAnswer answer;
        worker.Pause();
        try
        {
            answer = await client.BuyAsync(token, Sku, _cancellation, quantity: 2);
            await ExecuteAsync("UPDATE product_skus SET price = 59.99, title = 'dearer' WHERE id = @sku", Sku);
        }
        finally
        {
            worker.Continue();
        }

        var outcome = await client.OutcomeAsync(token, Sku, _cancellation);

        Assert.Equal(("19.80", "SUCCESS", "19.80"), (answer.Text("amount"), outcome.Text("status"), outcome.Text("amount")));
        var order = await client.GetAsync($"/api/orders/{answer.Text("order_id")}", _cancellation, token);
        Assert.Equal(("Test SKU", "9.90", "19.80"), (order.Text("title"), order.Text("price"), order.Text("total_amount")));
    }

    [Fact]
    public async Task A_click_that_names_another_price_than_the_SKU_has_buys_nothing()
    {
        const long Sku = 20_102;
        await _system.AddSaleAsync(Sku, units: 5, limitPerUser: 5, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(Sku, _cancellation);
        var token = await client.LogInAsync(20_102, _cancellation);

        var other = await ClickAsync("9.80");
        var malformed = await ClickAsync("\"cheap\"");
        var same = await ClickAsync("\"9.9\"");

        Assert.Equal((HttpStatusCode.Conflict, "price changed"), (other.Status, other.Error));
        Assert.Contains("9.90", other.Text("detail"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, malformed.Status);
        Assert.Equal((HttpStatusCode.OK, "9.90"), (same.Status, same.Text("amount")));
        Assert.Equal("SUCCESS", (await client.OutcomeAsync(token, Sku, _cancellation)).Text("status"));

        Task<ApiAnswer> ClickAsync(string price) => client.PostAsync(
            "/api/seckill/orders", $"{{\"sku_id\":{Sku},\"quantity\":1,\"price\":{price}}}", _cancellation, token);
    }

    [Fact]
    public async Task A_repeat_of_a_click_finds_its_order_though_the_price_has_changed_since()
    {
        const long Sku = 20_103;
        await _system.AddSaleAsync(Sku, units: 500, limitPerUser: 500, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(Sku, _cancellation);
        var token = await client.LogInAsync(20_103, _cancellation);

        var first = await ClickAsync("one", 1);
        await ExecuteAsync("UPDATE product_skus SET price = 15 WHERE id = @sku", Sku);
        await Deadline.UntilAsync(
            () => ClickAsync($"{Guid.NewGuid()}", 1), answer => answer.Status == HttpStatusCode.Conflict, _cancellation);
        var again = await ClickAsync("one", 1);
        var more = await ClickAsync("one", 2);

        Assert.Equal((HttpStatusCode.OK, first.Text("order_id")), (again.Status, again.Text("order_id")));
        Assert.Equal((HttpStatusCode.BadRequest, "number used"), (more.Status, more.Error));

        Task<ApiAnswer> ClickAsync(string number, int quantity) => client.PostAsync(
            "/api/seckill/orders",
            $"{{\"sku_id\":{Sku},\"quantity\":{quantity},\"client_order_no\":\"{number}\",\"price\":9.90}}", _cancellation, token);
    }

    private async Task ExecuteAsync(string sql, long skuId)
    {
        await using var mySql = await _system.OpenMySqlAsync(_cancellation);
        await using var command = new MySqlCommand(sql, mySql);
        command.Parameters.AddWithValue("@sku", skuId);
        await command.ExecuteNonQueryAsync(_cancellation);
    }
}
