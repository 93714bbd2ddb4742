using System.Diagnostics;
using System.Globalization;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Writing;

namespace Seckill.Tests.Worker;

/// <summary>Offers of edited SKUs, from the real table and from the cache.</summary>
[Collection(nameof(WorkerServers))]
public sealed class OfferLookUpTests(WorkerServers servers)
{
    private const int CommandTimeoutSeconds = 30;

    private readonly OfferLookUp _lookUp = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_batch_has_the_offers_that_the_cache_drops_meanwhile()
    {
        await using var shop = await Shop.OpenAsync(servers, stock: 1, Cancelled);
        var offers = Enumerable.Range(0, OfferLookUp.KeptMax + 2).Select(i => Offer.Of(i, TitleOf(i), "", "{}")).ToList();
        var rows = offers.Select((offer, i) => string.Create(
            CultureInfo.InvariantCulture, $"(@sku, '{offer.Version}', {offer.Price}, '{TitleOf(i)}', '', '{{}}', UTC_TIMESTAMP(6))"));
        await shop.AskAsync<object?>(
            $"INSERT INTO sku_offers (sku_id, version, price, title, image, attrs, offered_at) VALUES {string.Join(',', rows)}", Cancelled);

        // More than the cache's bound: it is emptied when the last offer is read.
        await TitlesAsync(shop, offers.GetRange(0, offers.Count - 1));
        var titles = await TitlesAsync(shop, [offers[0], offers[^1]]);

        Assert.Equal([TitleOf(0), TitleOf(offers.Count - 1)], titles);
    }

    private static string TitleOf(int i) => string.Create(CultureInfo.InvariantCulture, $"title {i}");

    /// <summary>The titles that a batch with these offers would write.</summary>
    private async Task<IEnumerable<string>> TitlesAsync(Shop shop, List<Offer> offers)
    {
        var (skuId, facts) = (shop.Sku.SkuId, new BatchFacts());
        var row = new SkuRow(skuId, 1, "edited", 9.9m, 1, "", "{}", 1);
        facts.Skus.Add(skuId, row);
        var orders = offers.ConvertAll(offer => Of(new OrderMessage
        {
            OrderId = 1,
            UserId = 7,
            SkuId = skuId,
            Quantity = 1,
            Offer = offer.Text,
        }));
        await using var connection = await servers.OpenMySqlAsync(Cancelled);
        await using var transaction = await connection.BeginTransactionAsync(Cancelled);
        await _lookUp.AddAsync(orders, facts, transaction, CommandTimeoutSeconds, Cancelled);
        return orders.ConvertAll(order => facts.RowFor(order.Message, row).Title);
    }

    private static OrderInHand Of(OrderMessage message) => new(
        new Delivery(1, [], new BasicProperties(), default(ActivityContext), DateTimeOffset.UnixEpoch, 0), default, null, message, null,
        default, null);
}
