using System.Globalization;
using System.Text;
using RabbitMQ.Client;
using Seckill.Api.DeadLetters;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.Ordering.Faults;

namespace Seckill.Tests.Worker;

/// <summary>Messages of every kind among good orders: the orders are written, the others are dead letters, and nothing is left.</summary>
[Collection(nameof(WorkerServers))]
public sealed class GeneratedMessagesTests(WorkerServers servers, ITestOutputHelper output)
{
    private const int OrdersSoonMs = 45_000;
    private const int LettersSoonMs = 15_000;

    /// <summary>Bytes that tell one body from the others; less than what is kept of those that are too large.</summary>
    private const int KnownBytes = 1_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Good_orders_pass_every_kind_of_message_and_each_bad_one_is_a_dead_letter()
    {
        Assert.SkipWhen(
            Environment.GetEnvironmentVariable("SECKILL_SERVERS_ROOT") is { Length: > 0 },
            "RabbitMQ 4 leaves letters here that the generator does not expect yet.");
        await using var shop = await Shop.OpenAsync(servers, 400, Cancelled);
        var sent = await SendAsync(shop, TestSeed.Take(1), messageCount: 120);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, new() { ["Worker:BatchSizeMax"] = "50" });

        Assert.Equal([], await FaultsAsync(shop, sent, LettersSoonMs));
        await worker.StopAsync(Cancelled);
        Assert.Equal(0u, await shop.QueuedCountAsync(Cancelled));
    }

    [Fact]
    public async Task A_worker_that_drops_bad_messages_is_found()
    {
        Assert.True(Sabotage.Possible, "The tests need a Debug build.");
        await using var shop = await Shop.OpenAsync(servers, 200, Cancelled);
        var sent = await SendAsync(shop, seed: 7, messageCount: 30);
        var worker = await servers.StartWorkerProcessAsync(Cancelled, ("SECKILL_SABOTAGE", Sabotage.NoDeadLetters));
        try
        {
            Assert.Contains(
                await FaultsAsync(shop, sent, lettersSoonMs: 1_000), fault => fault.StartsWith("no dead letter", StringComparison.Ordinal));
        }
        finally
        {
            await servers.EndAsync(worker);
        }
    }

    private sealed record Sent(IReadOnlyList<OrderMessage> Orders, IReadOnlyList<byte[]> Letters);

    private async Task<Sent> SendAsync(Shop shop, int seed, int messageCount)
    {
        output.WriteLine($"seed {seed}");
        var orders = new Queue<OrderMessage>();
        for (var i = 0; i < messageCount * 3; i++)
        {
            orders.Enqueue(await shop.ReserveAsync(1 + i, Cancelled));
        }

        var all = orders.ToList();
        var generator = new MessageGenerator(seed, shop.Sku.SkuId);
        var messages = Enumerable.Range(0, messageCount).Select(_ => generator.Next(orders)).ToList();
        await shop.PublishRawAsync(messages.Select(message => (message.Properties, message.Body)), Cancelled);
        // An order whose message cannot be read lies among the dead letters whole.
        var dead = messages.SelectMany(message => message.Letters).ToList();
        var buried = dead.Select(OrderIdsIn).SelectMany(ids => ids).ToHashSet();
        var unsent = orders.Select(order => order.OrderId).ToHashSet();
        return new Sent([.. all.Where(order => !unsent.Contains(order.OrderId) && !buried.Contains(order.OrderId!.Value))], dead);
    }

    private static IEnumerable<long> OrderIdsIn(byte[] body) =>
        DeadLetterBody.OrderIdsOf(body).Select(id => long.Parse(id, CultureInfo.InvariantCulture));

    /// <summary>What is not as it must be, in words.</summary>
    private static async Task<IReadOnlyList<string>> FaultsAsync(Shop shop, Sent sent, int lettersSoonMs)
    {
        var faults = new List<string>();
        try
        {
            await shop.SettledAsync(sent.Orders, Cancelled, OrdersSoonMs);
        }
        catch (TimeoutException exception)
        {
            faults.Add($"orders not written: {exception.Message}");
        }

        var missing = sent.Letters.Select(HeadOf).ToHashSet();
        var known = missing.ToHashSet();
        try
        {
            while (missing.Count > 0)
            {
                var letter = await shop.DeadLetterAsync(Cancelled, lettersSoonMs);
                var head = HeadOf(letter.Body.ToArray());
                missing.Remove(head);
                if (!known.Contains(head))
                {
                    var text = Encoding.UTF8.GetString(letter.Body.Span[..Math.Min(200, letter.Body.Length)]);
                    faults.Add($"a dead letter that nobody expects: {ReasonOf(letter)}, {text}");
                }
                else if (ReasonOf(letter) is null)
                {
                    faults.Add("a dead letter without a reason");
                }
            }
        }
        catch (TimeoutException)
        {
            var text = Encoding.UTF8.GetString(Convert.FromBase64String(missing.First()));
            faults.Add($"no dead letter of {missing.Count} messages, such as {text}");
        }

        return faults;
    }

    private static string? ReasonOf(BasicGetResult letter) => HeaderValues.TextOf(letter.BasicProperties.Headers, DeadLetterHeaders.Reason);

    private static string HeadOf(byte[] body) => Convert.ToBase64String(body.AsSpan(0, Math.Min(body.Length, KnownBytes)));
}
