using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Seckill.Api.Limits;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>A buyer who sends an order slowly, or many at once, does not keep others from buying.</summary>
[Collection(OperationsTests.Name)]
public sealed class SlowBodyTests(OperationsFixture servers)
{
    /// <summary>
    /// A busy machine may need seconds, but an answer that waited for the slow bodies would come after <see cref="SlowBodyMs"/>.
    /// </summary>
    private const int HonestAnswerMs = 15_000;

    /// <summary>How long the Api waits for a body, the most that it allows.</summary>
    private const string SlowBodyMs = "60000";

    private const int SoonMs = 30_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Slow_bodies_hold_no_place_that_others_need()
    {
        await using var api = servers.StartApi(
            ("Limits:PurchasesInFlightMax", "1"), ("Limits:PurchasesWaitingMax", "0"), ("Requests:BodyReadMsMax", SlowBodyMs));
        var skuId = await servers.PutOnSaleAsync(api, stock: 100);
        // Everything is compiled before the time is measured.
        Assert.Equal(200, (await api.BuyAsync(899, skuId)).Status);
        var slow = new List<HeldContent>();
        var answers = new List<Task<HttpResponseMessage>>();
        for (var buyer = 901; buyer <= 913; buyer++)
        {
            slow.Add(new HeldContent($$"""{"sku_id":{{skuId}},"quantity":1}"""));
            answers.Add(SendAsync(api, buyer, slow[^1]));
        }

        var slots = api.Get<PurchaseSlots>();
        await Deadline.UntilAsync(
            () => Task.FromResult(Enumerable.Range(901, slow.Count).All(buyer => slots.TakenBy(buyer) == 1)), all => all, Cancelled);
        for (var buyer = 1_001; buyer <= 1_005; buyer++)
        {
            var asked = Stopwatch.GetTimestamp();
            Assert.Equal(200, (await api.BuyAsync(buyer, skuId)).Status);
            Assert.InRange(Stopwatch.GetElapsedTime(asked).TotalMilliseconds, 0, HonestAnswerMs);
        }

        Assert.All(answers, answer => Assert.False(answer.IsCompleted));
        slow[0].Release();
        using var late = await answers[0];
        Assert.Equal(HttpStatusCode.OK, late.StatusCode);
        slow.ForEach(body => body.Release());
        await Task.WhenAll(answers);
    }

    /// <summary>An attack seen on a running instance, with more accounts than once filled all slots, each sending its maximum.</summary>
    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public async Task With_the_default_limits_slow_bodies_of_many_accounts_keep_nobody_waiting()
    {
        const int Accounts = 40;
        const int Rounds = 8;
        var each = new LimitOptions().UserPurchasesPerSecond;
        await using var api = servers.StartApi(("Requests:BodyReadMsMax", SlowBodyMs));
        var skuId = await servers.PutOnSaleAsync(api, stock: 1_000);
        Assert.Equal(200, (await api.BuyAsync(899, skuId)).Status);
        var slow = new List<HeldContent>();
        var answers = new List<Task<HttpResponseMessage>>();
        var refused = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            for (var account = 0; account < Accounts; account++)
            {
                for (var order = 0; order < each; order++)
                {
                    slow.Add(new HeldContent($$"""{"sku_id":{{skuId}},"quantity":1}"""));
                    answers.Add(SendAsync(api, 2_000 + account, slow[^1]));
                }
            }

            for (var buyer = 0; buyer < 4; buyer++)
            {
                var asked = Stopwatch.GetTimestamp();
                var status = (await api.BuyAsync(3_000 + (4 * round) + buyer, skuId)).Status;
                Assert.InRange(Stopwatch.GetElapsedTime(asked).TotalMilliseconds, 0, HonestAnswerMs);
                Assert.True(status is 200 or 429, $"The answer was {status}.");
                refused += status == 429 ? 1 : 0;
            }

            // An account's window is a second long: with new bodies in place of the old ones, the attack continues at the allowed rate.
            var rest = TimeSpan.FromSeconds(1) - Stopwatch.GetElapsedTime(began);
            await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, Cancelled);
            slow.ForEach(body => body.Release());
            foreach (var answer in await Task.WhenAll(answers))
            {
                answer.Dispose();
            }

            slow.Clear();
            answers.Clear();
        }

        // Rarely a buyer's hash collides with an attacker's, and the two share a limit.
        Assert.InRange(refused, 0, 1);
    }

    [Fact]
    public async Task A_body_that_does_not_end_in_time_is_a_408()
    {
        await using var api = servers.StartApi(("Requests:BodyReadMsMax", "100"));
        var slow = new HeldContent("""{"sku_id":1,"quantity":1}""");

        var answering = SendAsync(api, 920, slow);
        using var answer = await answering.WaitAsync(TimeSpan.FromMilliseconds(SoonMs), Cancelled);

        Assert.Equal(HttpStatusCode.RequestTimeout, answer.StatusCode);
        Assert.Contains("request body too slow", await answer.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);
        slow.Release();
    }

    [Fact]
    public async Task A_body_that_is_no_order_for_its_size_is_a_413()
    {
        await using var api = servers.StartApi();
        var refused = await api.PostAsync(
            "/api/seckill/orders", api.Buyer(921), $$"""{"sku_id":1,"quantity":1,"client_order_no":"{{new string('a', 4_096)}}"}""");
        Assert.Equal((413, "request body too large"), (refused.Status, refused.Error));
    }

    [Fact]
    public async Task A_buyer_has_a_few_orders_at_once_and_a_released_one_makes_room()
    {
        await using var api = servers.StartApi(("Limits:UserPurchasesInFlightMax", "2"));
        var skuId = await servers.PutOnSaleAsync(api);
        var slots = api.Get<PurchaseSlots>();
        var first = slots.TryEnter(930);
        using (slots.TryEnter(930))
        {
            var refused = await api.BuyAsync(930, skuId);
            Assert.Equal((429, "too many requests"), (refused.Status, refused.Error));
            Assert.Equal(200, (await api.BuyAsync(931, skuId)).Status);
        }

        Assert.Equal(200, (await api.BuyAsync(930, skuId)).Status);
        first!.Value.Dispose();
        Assert.Equal(0, slots.TakenBy(930));
    }

    [Fact]
    public async Task An_order_waits_for_its_turn_in_bounded_time()
    {
        await using var api = servers.StartApi(("Limits:PurchasesInFlightMax", "1"), ("Limits:PurchaseWaitMsMax", "50"));
        var skuId = await servers.PutOnSaleAsync(api);
        using (await api.Get<PurchaseSlots>().EnterAsync(Cancelled))
        {
            var waited = await api.BuyAsync(940, skuId);
            Assert.Equal((503, "busy", "1"), (waited.Status, waited.Error, waited.Headers.GetValues("Retry-After").Single()));
        }

        Assert.Equal(200, (await api.BuyAsync(940, skuId)).Status);
    }

    private static Task<HttpResponseMessage> SendAsync(ApiHost api, long buyer, HttpContent body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/seckill/orders") { Content = body };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", api.Buyer(buyer));
        return api.Client.SendAsync(request, Cancelled);
    }
}
