using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Operations;

/// <summary>A binding at the broker is removed while everything runs.</summary>
[Collection(OperationsTests.Name)]
public sealed class LostRouteTests(OperationsFixture servers)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_next_order_is_written_all_the_same()
    {
        await servers.PurgeAsync();
        await using var worker = servers.StartWorker();
        // The reconciler comes too late to help: no order gets old enough for it.
        await using var api = servers.StartApi(("Reconciliation:StuckAfterMs", "3600000"));
        var sku = await servers.PutOnSaleAsync(api);
        Assert.Equal(200, (await api.BuyAsync(1, sku)).Status);
        await WrittenAsync(api, 1, sku);

        await servers.Channel.QueueUnbindAsync(
            OrderTopology.Queue, OrderTopology.Exchange, OrderTopology.RoutingKey, cancellationToken: Token);
        Assert.Equal(200, (await api.BuyAsync(2, sku)).Status);

        await WrittenAsync(api, 2, sku);
    }

    /// <summary>The broker confirms such an order and returns nothing.</summary>
    [Fact]
    public async Task An_order_that_went_to_another_queue_instead_is_written_when_the_reconciler_misses_it()
    {
        const string otherQueue = "bound-to-the-same-key";
        await servers.PurgeAsync();
        await using var worker = servers.StartWorker();
        await using var api = servers.StartApi(
            ("Reconciliation:StuckAfterMs", "1000"), ("Reconciliation:EveryMs", "500"), ("Publish:SweepEveryMs", "200"));
        var sku = await servers.PutOnSaleAsync(api);
        await servers.Channel.QueueDeclareAsync(otherQueue, durable: false, exclusive: true, autoDelete: false, cancellationToken: Token);
        try
        {
            await servers.Channel.QueueBindAsync(
                otherQueue, OrderTopology.Exchange, OrderTopology.RoutingKey, cancellationToken: Token);
            await servers.Channel.QueueUnbindAsync(
                OrderTopology.Queue, OrderTopology.Exchange, OrderTopology.RoutingKey, cancellationToken: Token);
            Assert.Equal(200, (await api.BuyAsync(3, sku)).Status);

            await WrittenAsync(api, 3, sku);
        }
        finally
        {
            await servers.Channel.QueueDeleteAsync(otherQueue, cancellationToken: CancellationToken.None);
            await OrderTopology.DeclareAsync(servers.Channel, CancellationToken.None);
        }
    }

    [Fact]
    public async Task The_next_dead_letter_is_in_its_queue_all_the_same()
    {
        await servers.PurgeAsync();
        await using var worker = servers.StartWorker();
        await BuryAsync("first");

        await servers.Channel.QueueUnbindAsync(
            OrderTopology.DeadLetterQueue, OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, cancellationToken: Token);

        await BuryAsync("second");
    }

    /// <summary>Sends a message that is not an order, and waits for its dead letter with the worker's reason.</summary>
    private async Task BuryAsync(string id)
    {
        await servers.Channel.BasicPublishAsync(
            OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties { Persistent = true, MessageId = id },
            "no order"u8.ToArray(), Token);
        var letter = await Deadline.UntilAsync(
            () => servers.Channel.BasicGetAsync(OrderTopology.DeadLetterQueue, autoAck: true, Token), got => got is not null, Token);
        Assert.Equal(id, letter!.BasicProperties.MessageId);
        Assert.True(letter.BasicProperties.Headers?.ContainsKey(Seckill.Ordering.DeadLetters.DeadLetterHeaders.Reason));
    }

    private static Task<string> WrittenAsync(ApiHost api, long userId, long skuId) => Deadline.UntilAsync(
        async () => (await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", api.Buyer(userId))).Text("status"),
        status => status == "SUCCESS", Token);
}
