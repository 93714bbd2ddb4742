using System.Net;
using System.Text.Json;

namespace Seckill.Tests.EndToEnd;

/// <summary>The orders that buyers can see.</summary>
[Collection(nameof(RunningSystem))]
public sealed class OrderHistoryTests(RunningSystem running)
{
    /// <summary>The broker confirms and delivers at the same time: the worker may have the order before the Api has the confirm.</summary>
    private static readonly string[][] HopsInOrder =
    [
        ["clicked_at_ms", "reserved_at_ms", "confirmed_at_ms"],
        ["reserved_at_ms", "picked_up_at_ms", "committed_at_ms", "told_at_ms"],
    ];

    /// <summary>Api, Redis and worker read clocks of one machine, in whole milliseconds.</summary>
    private const int RoundingMs = 2;

    private const int Tries = 50;

    private readonly LocalSystem _system = running.System;
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_order_has_all_its_hops_in_their_order_and_its_trace()
    {
        await _system.AddSaleAsync(23_001, units: Tries, limitPerUser: Tries, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(23_001, _cancellation);
        var token = await client.LogInAsync(16_001, _cancellation);
        var (bought, order, clickNo) = await BuyWithConfirmInTimeAsync(client, token);
        Assert.Equal(
            ("SUCCESS", "pending", "9.90", clickNo),
            (order.Text("status"), order.Text("payment"), order.Text("total_amount"), order.Text("client_order_no")));
        Assert.All(HopsInOrder, hops =>
        {
            var times = hops.Select(hop => order.Body.GetProperty("timeline").GetProperty(hop).GetInt64()).ToArray();
            Assert.All(times.Zip(times.Skip(1)), pair => Assert.True(pair.Second >= pair.First - RoundingMs, $"{order.Body}"));
        });
        Assert.Equal(
            1,
            await _system.CountAsync(
                $"SELECT COUNT(*) FROM orders WHERE id = {bought.Text("order_id")} AND trace_id = '{order.Text("trace_id")}'",
                _cancellation));

        using var other = _system.Client();
        var otherToken = await other.LogInAsync(16_002, _cancellation);
        foreach (var query in (string[])["", "?sku_id=23001"])
        {
            Assert.Equal(
                HttpStatusCode.NotFound,
                (await other.GetAsync($"/api/orders/{bought.Text("order_id")}{query}", _cancellation, otherToken)).Status);
        }

        Assert.Equal(0, (await other.GetAsync("/api/orders", _cancellation, otherToken)).Body.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task The_list_is_read_page_by_page_newest_first_and_whole()
    {
        const int Orders = 7;
        await _system.AddSaleAsync(23_002, units: 50, limitPerUser: 20, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(23_002, _cancellation);
        var token = await client.LogInAsync(16_003, _cancellation);
        var bought = new List<string>();
        for (var i = 0; i < Orders; i++)
        {
            bought.Insert(0, (await client.BuyAsync(token, 23_002, _cancellation, clientOrderNo: $"page-{i}")).Text("order_id")!);
            await client.OutcomeAsync(token, 23_002, _cancellation, $"page-{i}");
        }

        var listed = new List<string>();
        string? before = null;
        do
        {
            var page = await client.GetAsync($"/api/orders?take=3{(before is null ? "" : $"&before={before}")}", _cancellation, token);
            listed.AddRange(page.Body.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("order_id").GetString()!));
            before = page.Body.TryGetProperty("before", out var next) && next.ValueKind == JsonValueKind.String ? next.GetString() : null;
        }
        while (before is not null && listed.Count <= Orders);

        Assert.Equal(bought, listed);
    }

    [Theory]
    [InlineData("/api/orders?take=0", "take must be 1 to 50")]
    [InlineData("/api/orders?take=51", "take must be 1 to 50")]
    [InlineData("/api/orders?before=x", "before is not valid")]
    [InlineData("/api/orders/x", "order_id or sku_id is not valid")]
    [InlineData("/api/orders/-1", "order_id or sku_id is not valid")]
    [InlineData("/api/orders/1?sku_id=x", "order_id or sku_id is not valid")]
    public async Task A_malformed_question_is_refused(string path, string error)
    {
        using var client = _system.Client();
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync(path, _cancellation)).Status);
        var answer = await client.GetAsync(path, _cancellation, await client.LogInAsync(16_004, _cancellation));
        Assert.Equal((HttpStatusCode.BadRequest, error), (answer.Status, answer.Error));
    }

    /// <summary>
    /// Buys until an order's confirm was marked before the worker settled it; afterwards there is nothing left to mark. The answer
    /// "SUCCESS" may come from MySQL, so it waits until Redis has the verdict, too.
    /// </summary>
    private async Task<(ApiAnswer Bought, ApiAnswer Order, string ClickNo)> BuyWithConfirmInTimeAsync(ShopClient client, string token)
    {
        for (var i = 1; ; i++)
        {
            var clickNo = $"history-{i}";
            // A buyer may send only so many clicks a second; the same number is safe to send again.
            var bought = await Deadline.UntilAsync(
                () => client.BuyAsync(token, 23_001, _cancellation, clientOrderNo: clickNo),
                answer => answer.Status != HttpStatusCode.TooManyRequests, _cancellation);
            var order = await Deadline.UntilAsync(
                () => client.GetAsync($"/api/orders/{bought.Text("order_id")}", _cancellation, token),
                answer => answer.Status == HttpStatusCode.OK && HasHop(answer, "told_at_ms"),
                _cancellation);
            if (i == Tries || HasHop(order, "confirmed_at_ms"))
            {
                return (bought, order, clickNo);
            }
        }
    }

    private static bool HasHop(ApiAnswer order, string hop) => order.Body.GetProperty("timeline").TryGetProperty(hop, out _);
}
