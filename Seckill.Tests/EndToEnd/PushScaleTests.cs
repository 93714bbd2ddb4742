using System.Globalization;
using System.Net;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.EndToEnd;

/// <summary>Thousands of buyers waiting at one instance.</summary>
[Collection(nameof(RunningSystem))]
public sealed class PushScaleTests(RunningSystem running)
{
    private const int Listeners = 5_000;
    private const int FirstUser = 1_000_000;
    private const int SkuId = 25_001;
    private const int OpeningAtOnce = 64;

    /// <summary>
    /// Resident memory that one waiting buyer may cost, KiB: connection, request and pipe buffers of the server included.
    /// </summary>
    private const int ListenerKibMax = 100;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Five_thousand_listeners_of_one_instance_hear_their_own_outcomes_over_one_subscription()
    {
        var system = running.System;
        await system.AddSaleAsync(SkuId, Listeners, limitPerUser: 1, _cancellation);
        using var client = system.Client();
        await client.WaitUntilOnSaleAsync(SkuId, _cancellation);
        var tokens = new TokenIssuer(CheckoutKeys.SigningKey);
        using var http = new HttpClient { BaseAddress = new Uri(system.Apis[0].Url) };
        var lines = new EventLine[Listeners];
        try
        {
            var before = (Kib: ResidentKib(system.Apis[0]), Subscriptions: await SubscriptionsAsync(system));
            await Parallel.ForAsync(0, Listeners, Bounded(), async (i, cancelled) =>
                lines[i] = await EventLine.OpenAsync(http, tokens.ForBuyer(FirstUser + i), cancelled));
            var waiting = (Kib: ResidentKib(system.Apis[0]), Subscriptions: await SubscriptionsAsync(system));
            TestContext.Current.TestOutputHelper?.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture, $"{Listeners} listeners: {before.Kib} KiB before, {waiting.Kib} KiB with them"));
            Assert.Equal(before.Subscriptions, waiting.Subscriptions);
            Assert.InRange((waiting.Kib - before.Kib) / Listeners, 0, ListenerKibMax);

            // A busy machine may answer "busy"; the same number is safe to send again.
            await Parallel.ForAsync(0, Listeners, Bounded(), async (i, cancelled) => Assert.Equal("queued", (await Deadline.UntilAsync(
                () => client.BuyAsync(tokens.ForBuyer(FirstUser + i), SkuId, cancelled, clientOrderNo: "click"),
                answer => answer.Status != HttpStatusCode.ServiceUnavailable, cancelled)).Text("message")));
            var orders = await Task.WhenAll(lines.Select(async line => (await line.OutcomeAsync()).Body));
            Assert.All(orders, order => Assert.Equal("SUCCESS", order.GetProperty("status").GetString()));
            Assert.Equal(Listeners, orders.Select(order => order.GetProperty("order_id").GetString()).Distinct().Count());
        }
        finally
        {
            await Task.WhenAll(lines.Select(line => line?.DisposeAsync().AsTask() ?? Task.CompletedTask));
        }
    }

    private ParallelOptions Bounded() => new() { MaxDegreeOfParallelism = OpeningAtOnce, CancellationToken = _cancellation };

    private static async Task<long> SubscriptionsAsync(LocalSystem system) =>
        await system.RedisConnection.GetServers()[0].SubscriptionSubscriberCountAsync(RedisChannel.Literal(StockLedger.OutcomeChannel));

    private static long ResidentKib(LocalService service) => long.Parse(
        File.ReadLines($"/proc/{service.ProcessId}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
