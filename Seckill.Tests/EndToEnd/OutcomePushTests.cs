using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text.Json;

namespace Seckill.Tests.EndToEnd;

/// <summary>Outcomes by Server-Sent Events and by WebSocket, from whichever instance the buyer listens to.</summary>
[Collection(nameof(RunningSystem))]
public sealed class OutcomePushTests(RunningSystem running) : IDisposable
{
    private static long _nextUser = 15_000;

    private readonly LocalSystem _system = running.System;
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;
    private readonly HttpClient _http = new() { BaseAddress = new Uri(running.System.Apis[1].Url) };

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task A_listener_at_one_instance_is_told_of_a_click_at_another()
    {
        var (buyer, token) = await EnterAsync(24_001);
        using var _ = buyer;
        await using var line = await EventLine.OpenAsync(_http, token, _cancellation);
        var answer = await buyer.BuyAsync(token, 24_001, _cancellation);
        var (id, outcome) = await line.OutcomeAsync();
        Assert.Equal(
            ("SUCCESS", answer.Text("order_id"), answer.Text("order_sn")),
            (Text(outcome, "status"), Text(outcome, "order_id"), Text(outcome, "order_sn")));
        Assert.Equal($"{outcome.GetProperty("settled_at_ms").GetInt64()}-{answer.Text("order_id")}", id);
    }

    [Fact]
    public async Task A_channel_prefix_in_the_connection_string_mutes_nobody()
    {
        var prefixed = await _system.StartApiAsync(
            _cancellation, settings: ("ConnectionStrings__redis", $"{_system.RedisConnectionString},channelPrefix=shop:"));
        try
        {
            var (buyer, token) = await EnterAsync(24_006);
            using var _ = buyer;
            using var http = new HttpClient { BaseAddress = new Uri(prefixed.Url) };
            await using var line = await EventLine.OpenAsync(http, token, _cancellation);
            var answer = await buyer.BuyAsync(token, 24_006, _cancellation);
            Assert.Equal(answer.Text("order_id"), Text((await line.OutcomeAsync()).Body, "order_id"));
        }
        finally
        {
            await _system.EndAsync(prefixed, kill: true);
        }
    }

    [Fact]
    public async Task Outcomes_decided_while_nobody_listened_are_told_first()
    {
        var (buyer, token) = await EnterAsync(24_002);
        using var _ = buyer;
        var answer = await buyer.BuyAsync(token, 24_002, _cancellation);
        await buyer.OutcomeAsync(token, 24_002, _cancellation);
        await using var line = await EventLine.OpenAsync(_http, token, _cancellation, "?sku_id=24002", lastEventId: "1-1");
        var (id, outcome) = await line.OutcomeAsync();
        Assert.Equal(("SUCCESS", answer.Text("order_id")), (Text(outcome, "status"), Text(outcome, "order_id")));

        // One that is older than the page's last event may have been lost on the way.
        var later = long.Parse(id!.Split('-')[0], CultureInfo.InvariantCulture) + 3_600_000;
        await using (var older = await EventLine.OpenAsync(_http, token, _cancellation, "?sku_id=24002", $"{later}-1"))
        {
            Assert.Equal(answer.Text("order_id"), Text((await older.OutcomeAsync()).Body, "order_id"));
        }

        // The page's last event is not sent again; the next order's is.
        await using var resumed = await EventLine.OpenAsync(_http, token, _cancellation, "?sku_id=24002", id);
        var second = await buyer.BuyAsync(token, 24_002, _cancellation);
        Assert.Equal(second.Text("order_id"), Text((await resumed.OutcomeAsync()).Body, "order_id"));
        // This line may get the first order's outcome twice.
        await Deadline.UntilAsync(
            line.OutcomeAsync, told => Text(told.Body, "order_id") == second.Text("order_id"), _cancellation);
    }

    [Fact]
    public async Task Nobody_hears_of_anothers_order()
    {
        var (buyer, token) = await EnterAsync(24_003);
        var (other, otherToken) = await EnterAsync(24_004);
        using var first = buyer;
        using var second = other;
        await using var line = await EventLine.OpenAsync(_http, otherToken, _cancellation, "?sku_id=24003");
        await buyer.BuyAsync(token, 24_003, _cancellation);
        await buyer.OutcomeAsync(token, 24_003, _cancellation);
        var own = await other.BuyAsync(otherToken, 24_004, _cancellation);
        Assert.Equal(own.Text("order_id"), Text((await line.OutcomeAsync()).Body, "order_id"));
    }

    [Fact]
    public async Task A_socket_tells_the_same()
    {
        var (buyer, token) = await EnterAsync(24_005);
        using var _ = buyer;
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"Bearer {token}");
        await socket.ConnectAsync(
            new Uri($"{_system.Apis[1].Url.Replace("http", "ws", StringComparison.Ordinal)}/api/orders/seckill/ws"), _cancellation);
        var answer = await buyer.BuyAsync(token, 24_005, _cancellation);
        var buffer = new byte[4_096];
        var received = await socket.ReceiveAsync(buffer.AsMemory(), _cancellation).AsTask()
            .WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), _cancellation);
        var outcome = JsonElement.Parse(buffer.AsSpan(0, received.Count));
        Assert.Equal((WebSocketMessageType.Text, true), (received.MessageType, received.EndOfMessage));
        Assert.Equal(("SUCCESS", answer.Text("order_id")), (Text(outcome, "status"), Text(outcome, "order_id")));
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "enough", _cancellation);
        Assert.Equal(WebSocketState.Closed, socket.State);
    }

    [Theory]
    [InlineData("https://elsewhere.example", HttpStatusCode.Forbidden)]
    [InlineData("null", HttpStatusCode.Forbidden)]
    public async Task Another_sites_page_gets_no_socket(string origin, HttpStatusCode expected)
    {
        using var client = _system.Client();
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"Bearer {await client.LogInAsync(User(), _cancellation)}");
        socket.Options.SetRequestHeader("Origin", origin);
        socket.Options.CollectHttpResponseDetails = true;
        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(
            new Uri($"{_system.Apis[0].Url.Replace("http", "ws", StringComparison.Ordinal)}/api/orders/seckill/ws"), _cancellation));
        Assert.Equal(expected, socket.HttpStatusCode);
    }

    [Theory]
    [InlineData("/api/orders/seckill/events?sku_id=0", HttpStatusCode.BadRequest, "sku_id is not valid")]
    [InlineData("/api/orders/seckill/events?sku_id=1&sku_id=many", HttpStatusCode.BadRequest, "sku_id is not valid")]
    [InlineData("/api/orders/seckill/ws", HttpStatusCode.BadRequest, "not a websocket request")]
    public async Task A_line_that_cannot_be_opened_says_why(string path, HttpStatusCode status, string error)
    {
        using var client = _system.Client();
        var answer = await client.GetAsync(path, _cancellation, await client.LogInAsync(User(), _cancellation));
        Assert.Equal((status, error), (answer.Status, answer.Error));
        using var stranger = _system.Client();
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync(path, _cancellation)).Status);
    }

    [Fact]
    public async Task Thirty_two_skus_may_be_asked_and_not_one_more()
    {
        using var client = _system.Client();
        var token = await client.LogInAsync(User(), _cancellation);
        var query = string.Join('&', Enumerable.Range(1, 33).Select(sku => $"sku_id={sku}"));
        Assert.Equal(
            HttpStatusCode.BadRequest, (await client.GetAsync($"/api/orders/seckill/events?{query}", _cancellation, token)).Status);
        await using var line = await EventLine.OpenAsync(_http, token, _cancellation, "?" + query[..query.LastIndexOf('&')]);
    }

    [Fact]
    public async Task An_instance_that_is_told_to_stop_lets_its_listeners_go()
    {
        var api = await _system.StartApiAsync(_cancellation);
        var exited = api.Exited;
        using var client = _system.Client(api);
        using var http = new HttpClient { BaseAddress = new Uri(api.Url) };
        await using var line = await EventLine.OpenAsync(http, await client.LogInAsync(User(), _cancellation), _cancellation);
        await _system.EndAsync(api, kill: false);
        await line.EndAsync();
        Assert.Equal(0, await exited);
    }

    private static long User() => Interlocked.Increment(ref _nextUser);

    private static string? Text(JsonElement body, string member) => body.GetProperty(member).GetString();

    /// <summary>A SKU on sale at both instances, and a buyer at the first.</summary>
    private async Task<(ShopClient Buyer, string Token)> EnterAsync(long skuId)
    {
        await _system.AddSaleAsync(skuId, units: 5, limitPerUser: 3, _cancellation);
        var client = _system.Client();
        await client.WaitUntilOnSaleAsync(skuId, _cancellation);
        return (client, await client.LogInAsync(User(), _cancellation));
    }
}
