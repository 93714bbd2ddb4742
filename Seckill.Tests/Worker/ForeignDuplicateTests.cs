using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Worker;

/// <summary>
/// Another producer's order is in no outbox. If its worker dies between the commit and the settling, only the message that is delivered
/// again can settle it.
/// </summary>
[Collection(nameof(WorkerServers))]
public sealed class ForeignDuplicateTests(WorkerServers servers)
{
    private const int Buyer = 123;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Its_first_order_is_settled_when_the_message_comes_again()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
        var click = Guid.NewGuid().ToString("N");
        var first = await BuyAsync(shop, click);
        // As if the worker had died before settling.
        var redis = servers.RedisConnection.GetDatabase();
        await redis.HashDeleteAsync(shop.Sku.Orders, first.OrderId);
        await redis.KeyDeleteAsync([shop.Sku.Clicks, shop.Sku.Buyers]);

        var settled = await BuyAsync(shop, click);

        Assert.Equal((first.OrderId, OrderState.Success), (settled.OrderId, settled.State));
        Assert.Equal(1, await shop.OrderCountAsync(Cancelled));
        Assert.StartsWith("2|", (string?)await redis.HashGetAsync(shop.Sku.Buyers, Buyer), StringComparison.Ordinal);
    }

    /// <summary>A settlement without the reservation's epoch would keep the order's own message from deducting its units.</summary>
    [Fact]
    public async Task A_gates_first_order_is_left_to_its_own_message()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 10, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
        var click = Guid.NewGuid().ToString("N");
        var order = await shop.ReserveAsync(Buyer, Cancelled, quantity: 2, clientOrderNo: click);
        await shop.PublishAsync(order, Cancelled);
        await shop.SettledAsync(order, Cancelled);
        var id = order.OrderId!.Value;
        await servers.RedisConnection.GetDatabase().HashDeleteAsync(shop.Sku.Orders, id);

        await shop.PublishAsync(BodyOf(shop, click), Cancelled);
        var marker = await shop.ReserveAsync(9, Cancelled);
        await shop.PublishAsync(marker, Cancelled);
        await shop.SettledAsync(marker, Cancelled);

        Assert.Null(await shop.Ledger.FindAsync(shop.Sku, id, Cancelled));
        Assert.Equal(2, await shop.OrderCountAsync(Cancelled));
    }

    /// <summary>Publishes the other producer's message and waits for its reservation.</summary>
    private static async Task<Reservation> BuyAsync(Shop shop, string click)
    {
        await shop.PublishAsync(BodyOf(shop, click), Cancelled);
        return (await Deadline.UntilAsync(
            () => shop.Ledger.FindAsync(shop.Sku, Buyer, click, Cancelled), reservation => reservation is not null, Cancelled))!;
    }

    private static string BodyOf(Shop shop, string click) =>
        $$"""{"user_id":{{Buyer}},"sku_id":{{shop.Sku.SkuId}},"quantity":2,"client_order_no":"{{click}}"}""";
}
