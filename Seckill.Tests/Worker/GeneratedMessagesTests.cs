using System.Globalization;
using System.Text;
using RabbitMQ.Client;
using Seckill.Api.DeadLetters;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Worker;

/// <summary>Messages of every kind among good orders: the orders are written, the others are dead letters, and nothing is left.</summary>
[Collection(nameof(WorkerServers))]
public sealed class GeneratedMessagesTests(WorkerServers servers, ITestOutputHelper output)
{
    private const int OrdersSoonMs = 180_000;
    private const int LettersSoonMs = 60_000;

    /// <summary>The bytes that identify a body; fewer than are kept of a body that is too large.</summary>
    private const int KnownBytes = 1_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Good_orders_pass_every_kind_of_message_and_each_bad_one_is_a_dead_letter()
    {
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

    /// <param name="Orders">Orders that must be written in any case.</param>
    /// <param name="Messages">All of them.</param>
    private sealed record Sent(IReadOnlyList<OrderMessage> Orders, IReadOnlyList<GeneratedMessage> Messages);

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
        var unsent = orders.Select(order => order.OrderId!.Value);
        var elsewhere = messages.Where(message => !message.IsReadable || IsLetterItself(message)).SelectMany(OrderIdsIn).Concat(unsent)
            .ToHashSet();
        return new Sent([.. all.Where(order => !elsewhere.Contains(order.OrderId!.Value))], messages);
    }

    /// <summary>Dead-lettered as a whole, such as a body that is too large.</summary>
    private static bool IsLetterItself(GeneratedMessage message) =>
        message.Letters is [var letter] && ReferenceEquals(letter, message.Body);

    private static IEnumerable<long> OrderIdsIn(GeneratedMessage message) =>
        DeadLetterBody.OrderIdsOf(message.Body).Select(id => long.Parse(id, CultureInfo.InvariantCulture));

    /// <summary>The deviations, in words.</summary>
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

        var known = sent.Messages.SelectMany(message => message.Letters.Append(message.Body)).Select(HeadOf).ToHashSet();
        var (found, open) = (new HashSet<string>(), sent.Messages.ToList());
        try
        {
            while (open.Count > 0)
            {
                open.RemoveAll(message => IsAccountedFor(message, found));
                if (open.TrueForAll(message => !message.IsReadable) && await AllReadAsync(shop, open, found))
                {
                    break;
                }

                var letter = await shop.DeadLetterAsync(Cancelled, lettersSoonMs);
                var head = HeadOf(letter.Body.ToArray());
                found.Add(head);
                if (!known.Contains(head))
                {
                    var text = Encoding.UTF8.GetString(letter.Body.Span[..Math.Min(200, letter.Body.Length)]);
                    faults.Add($"an unexpected dead letter: {ReasonOf(letter)}, {text}");
                }
                else if (ReasonOf(letter) is null)
                {
                    faults.Add("a dead letter without a reason");
                }
            }
        }
        catch (TimeoutException)
        {
            if (open.TrueForAll(message => !message.IsReadable) && await AllReadAsync(shop, open, found))
            {
                return faults;
            }

            var text = Encoding.UTF8.GetString(open[0].Body.AsSpan(0, Math.Min(200, open[0].Body.Length)));
            faults.Add($"no dead letter of {open.Count} messages, such as {text}");
        }

        return faults;
    }

    private static bool IsAccountedFor(GeneratedMessage message, HashSet<string> found) => message.IsReadable
        ? message.Letters.All(letter => found.Contains(HeadOf(letter)))
        : found.Contains(HeadOf(message.Body));

    /// <summary>Whether the broker has made these readable: their letters are there and their orders written.</summary>
    private static async Task<bool> AllReadAsync(Shop shop, IReadOnlyList<GeneratedMessage> messages, HashSet<string> found)
    {
        if (!messages.All(message => message.Letters.All(letter => found.Contains(HeadOf(letter)))))
        {
            return false;
        }

        foreach (var id in messages.SelectMany(OrderIdsIn).Where(id => id > 0))
        {
            if (await shop.Ledger.FindAsync(shop.Sku, id, Cancelled) is { State: OrderState.Pending })
            {
                return false;
            }
        }

        return true;
    }

    private static string? ReasonOf(BasicGetResult letter) => HeaderValues.TextOf(letter.BasicProperties.Headers, DeadLetterHeaders.Reason);

    private static string HeadOf(byte[] body) => Convert.ToBase64String(body.AsSpan(0, Math.Min(body.Length, KnownBytes)));
}
