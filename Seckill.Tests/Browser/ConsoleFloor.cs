using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Playwright;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Browser;

[CollectionDefinition(nameof(ConsoleFloor))]
public sealed class ConsoleFloorDefinition : ICollectionFixture<ConsoleFloor>;

/// <summary>
/// The whole system with its console. The Api compares the books only on request, so that a planted difference stays.
/// </summary>
public sealed class ConsoleFloor(TestBrowser browser, SharedServers servers) : IAsyncLifetime
{
    public const string TraceTemplate = "http://localhost:18888/traces/detail/{trace_id}";

    // Counting down, because a sale created in the console gets the number above the highest one.
    private static long _lastSku = 50_000;

    public LocalSystem System { get; private set; } = null!;

    public string Url { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var options = SystemUnderTest.Options(
            ("Catalogue__RefreshEveryMs", "500"), ("Catalogue__CheckEveryMs", "3600000"), ("Reconciliation__EveryMs", "3600000"));
        System = await servers.StartAsync(SharedServers.Console, options, CancellationToken.None)
            .WithApplicationsAsync(CancellationToken.None, patient: true);
        Url = (await System.StartConsoleAsync(CancellationToken.None, ("Traces__UrlTemplate", TraceTemplate))).Url;
    }

    /// <summary>A window with a shop login, as an operator or not; the cookie is valid for the console too.</summary>
    public async Task<ConsolePage> EnterAsync(string? role = "operator", long userId = 9, int width = 1_360, bool dark = false)
    {
        var context = await browser.NewContextAsync("en-GB", width, dark);
        var login = await context.APIRequest.PostAsync(
            $"{System.Apis[0].Url}/api/demo/login",
            new APIRequestContextOptions { DataObject = role is null ? new { user_id = userId } : (object)new { user_id = userId, role } });
        Assert.True(login.Ok, await login.TextAsync());
        return new ConsolePage(context, await context.NewPageAsync(), Url);
    }

    /// <summary>A window without a login.</summary>
    public async Task<ConsolePage> EnterAsStrangerAsync(int width = 1_360, bool dark = false)
    {
        var context = await browser.NewContextAsync("en-GB", width, dark);
        return new ConsolePage(context, await context.NewPageAsync(), Url);
    }

    public async Task<long> PutOnSaleAsync(CancellationToken cancellationToken, int units = 10, int limitPerUser = 5)
    {
        var skuId = Interlocked.Decrement(ref _lastSku);
        await System.AddSaleAsync(skuId, units, limitPerUser, cancellationToken);
        using var client = System.Client();
        await client.WaitUntilOnSaleAsync(skuId, cancellationToken);
        return skuId;
    }

    /// <summary>Buys while no worker runs, and dead-letters the message as the worker does after a final failure.</summary>
    public async Task<string> BuyAndBuryAsync(IChannel channel, long userId, long skuId, CancellationToken cancellationToken)
    {
        using var client = System.Client();
        var buyer = await client.LogInAsync(userId, cancellationToken);
        var order = await client.BuyAsync(buyer, skuId, cancellationToken);
        var orderId = order.Text("order_id") ?? throw new InvalidOperationException($"{order.Status}: {order.Body}");
        // With a confirm, the sweeper sends no further copy.
        await Deadline.UntilAsync(
            () => client.GetAsync($"/api/orders/{orderId}?sku_id={skuId}", cancellationToken, buyer),
            answer => answer.Status == HttpStatusCode.OK
                && answer.Body.GetProperty("timeline").TryGetProperty("confirmed_at_ms", out _),
            cancellationToken);
        var body = await Deadline.UntilAsync(
            () => TakeAsync(channel, orderId, cancellationToken), body => body is not null, cancellationToken);
        var properties = new BasicProperties
        {
            Persistent = true,
            MessageId = orderId,
            Headers = new Dictionary<string, object?>
            {
                ["x-seckill-reason"] = $"planted for {userId}",
                ["x-seckill-attempts"] = 3L,
                ["x-seckill-first-at"] = "2023-11-14T22:13:20.0000000Z",
                ["x-seckill-last-at"] = "2023-11-14T22:14:20.0000000Z",
                ["traceparent"] = $"00-{ActivityTraceId.CreateRandom()}-{ActivitySpanId.CreateRandom()}-01",
            },
        };
        await channel.BasicPublishAsync(
            OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, properties, body!, cancellationToken);
        return orderId;
    }

    public ValueTask DisposeAsync() => System.DisposeAsync();

    /// <summary>
    /// The body of the order's message, which is taken from the queue with all its copies: there may be some if the confirm was late. Other
    /// orders' messages stay there.
    /// </summary>
    private static async Task<byte[]?> TakeAsync(IChannel channel, string orderId, CancellationToken cancellationToken)
    {
        byte[]? body = null;
        var others = new List<ulong>();
        while (await channel.BasicGetAsync(OrderTopology.Queue, autoAck: false, cancellationToken) is { } message)
        {
            if (Encoding.UTF8.GetString(message.Body.Span).Contains(orderId, StringComparison.Ordinal))
            {
                body = message.Body.ToArray();
                await channel.BasicAckAsync(message.DeliveryTag, multiple: false, cancellationToken);
            }
            else
            {
                others.Add(message.DeliveryTag);
            }
        }

        foreach (var other in others)
        {
            await channel.BasicNackAsync(other, multiple: false, requeue: true, cancellationToken);
        }

        return body;
    }
}
