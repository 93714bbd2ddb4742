using System.Diagnostics;
using System.Net;
using Seckill.Ordering.Ledger;
using ApiAnswer = Seckill.Tests.EndToEnd.ApiAnswer;
using ShopClient = Seckill.Tests.EndToEnd.ShopClient;

namespace Seckill.Tests.Faults;

/// <summary>Redis freezes under load and resumes.</summary>
[Collection(nameof(FaultSystem))]
public sealed class RedisFrozenTests(FaultSystem faults)
{
    private const int Clicks = 200;
    private const int TimeoutMs = 60_000;

    /// <summary>Longer than the client waits before it gives up a silent connection.</summary>
    private const int FrozenMs = 7_000;

    private const int AskEveryMs = 50;

    /// <summary>The promise is two seconds; a busy machine may take longer to send and to read.</summary>
    private const int AnswerMsMax = 10_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_bought_for_those_who_were_told_to_come_again()
    {
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        using var client = system.Client();
        await sale.RushAllAsync(10);
        await sale.OutcomesAsync();
        var before = await OrdersAsync(system, sale);

        system.Redis.Pause();
        var clicks = sale.NewClicks(Clicks);
        (HttpStatusCode Status, double Ms)[] answers;
        try
        {
            answers = await Task.WhenAll(clicks.Select(click => SendAsync(client, click)));
        }
        finally
        {
            system.Redis.Continue();
        }

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status));
        Assert.All(answers, answer => Assert.InRange(answer.Ms, 0, AnswerMsMax));

        // There is one connection, so all earlier commands have run when a later click is accepted. A repeat of it makes no second order.
        foreach (var sku in sale.Skus)
        {
            await Deadline.UntilAsync(
                () => client.BuyAsync(SaleOnTrial.TokenOf(sku.SkuId), sku.SkuId, _cancellation, clientOrderNo: $"after-{sku.SkuId}"),
                answer => answer.Status == HttpStatusCode.OK, _cancellation, TimeoutMs);
        }

        await Deadline.UntilAsync(() => OrdersAsync(system, sale), orders => orders == before + sale.Skus.Count, _cancellation, TimeoutMs);
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled == 0, _cancellation, TimeoutMs);
        var bought = await Task.WhenAll(clicks.Select(click =>
            system.RedisConnection.GetDatabase().HashExistsAsync(new SkuKeys(click.SkuId).Buyers, click.UserId)));
        Assert.DoesNotContain(true, bought);
        Assert.Equal(before + sale.Skus.Count, await OrdersAsync(system, sale));
    }

    [Fact]
    public async Task A_buyer_who_asks_meanwhile_is_answered_from_MySQL()
    {
        var system = await faults.ReadyAsync(_cancellation);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation);
        using var client = system.Client();
        await sale.RushAllAsync(2);
        Assert.Equal("SUCCESS", Assert.Single(await sale.OutcomesAsync()).Key);
        var (click, orderId) = sale.Queued.First();
        var asked = new List<Task<ApiAnswer>>();

        system.Redis.Pause();
        try
        {
            var started = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < FrozenMs)
            {
                asked.Add(client.StatusAsync(click.Token, click.SkuId, _cancellation, click.Number));
                await Task.Delay(AskEveryMs, _cancellation);
            }
        }
        finally
        {
            system.Redis.Continue();
        }

        var answers = await Task.WhenAll(asked);
        Assert.All(answers, answer => Assert.True(IsAnswered(answer) || IsBusy(answer), $"{answer.Status}: {answer.Body}"));
        Assert.Contains(answers, IsAnswered);

        bool IsAnswered(ApiAnswer answer) =>
            answer.Status == HttpStatusCode.OK && answer.Text("status") == "SUCCESS" && answer.Text("order_id") == orderId;

        static bool IsBusy(ApiAnswer answer) => answer.Status == HttpStatusCode.ServiceUnavailable && answer.Error == "busy";
    }

    private async Task<(HttpStatusCode Status, double Ms)> SendAsync(ShopClient client, Click click)
    {
        var started = Stopwatch.GetTimestamp();
        var answer = await client.BuyAsync(click.Token, click.SkuId, _cancellation, click.Quantity, click.Number);
        return (answer.Status, Stopwatch.GetElapsedTime(started).TotalMilliseconds);
    }

    private Task<long> OrdersAsync(LocalSystem system, SaleOnTrial sale) => system.CountAsync(
        $"SELECT COUNT(*) FROM order_items WHERE sku_id IN ({string.Join(',', sale.Skus.Select(sku => sku.SkuId))})", _cancellation);
}
