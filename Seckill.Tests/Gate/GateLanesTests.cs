using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Api.Catalogue;
using Seckill.Api.Gate;
using Seckill.Api.Publishing;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using Seckill.Tests.Ledger;

namespace Seckill.Tests.Gate;

/// <summary>The gate's memory of a sale goes with the sale.</summary>
public sealed class GateLanesTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const int SalesOfThePast = 3_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_lanes_of_sales_that_have_left_the_catalogue_go_and_the_others_stay()
    {
        await using var lanes = Lanes();
        var kept = lanes.LaneOf(SalesOfThePast + 1);
        var gone = Enumerable.Range(1, SalesOfThePast).Select(skuId => lanes.LaneOf(skuId)).ToList();
        Assert.Equal(SalesOfThePast + 1, lanes.Count);

        lanes.Prune(skuId => skuId == kept.Sku.SkuId ? Sale(skuId, TimeSpan.FromHours(1)) : null);

        await Task.WhenAll(gone.Select(lane => lane.Completion)).WaitAsync(Cancelled);
        Assert.Equal(1, lanes.Count);
        Assert.Same(kept, lanes.LaneOf(kept.Sku.SkuId));
        Assert.NotSame(gone[0], lanes.LaneOf(gone[0].Sku.SkuId));
    }

    [Fact]
    public async Task The_buyers_of_a_sale_that_is_over_are_not_kept_in_memory()
    {
        await using var lanes = Lanes();
        var (running, over) = (lanes.LaneOf(1), lanes.LaneOf(2));
        running.Shield.Arm(new ReserveReply(1, 1, 0, 1, []), new HashSet<long> { 1 }, openings: 0);
        over.Shield.Arm(new ReserveReply(1, 1, 0, 1, []), new HashSet<long> { 1 }, openings: 0);
        Assert.True(running.Shield.Refuses(2) && over.Shield.Refuses(2));

        lanes.Prune(skuId => Sale(skuId, TimeSpan.FromHours(skuId == 1 ? 1 : -1)));

        Assert.True(running.Shield.Refuses(2));
        Assert.False(over.Shield.Refuses(2));
    }

    [Fact]
    public async Task Clicks_that_wait_in_a_lane_that_closes_are_answered()
    {
        var sku = new SkuOnTrial(redis);
        await sku.WarmAsync(10);
        await using var lanes = Lanes();
        var click = new PurchaseAttempt(sku.Keys, new ReserveRequest(SkuOnTrial.NextOrder(), 1, 1, null, null), default, null);
        Assert.True(lanes.LaneOf(sku.Keys.SkuId).TryAsk(click));

        lanes.Prune(_ => null);

        Assert.Equal(ReserveCode.Accepted, (await click.Answered.WaitAsync(Cancelled)).Code);
    }

    private GateLanes Lanes()
    {
        var time = new StoppedTime();
        var ledger = new StockLedger(redis.Connection);
        var publisher = new OrderPublisher(
            new ConnectionFactory(), new OutboxConfirmations(ledger, time, NullLogger<OutboxConfirmations>.Instance),
            new PublishingHealth(time), new PulseCounters(), Options.Create(new PublishOptions()), time,
            NullLogger<OrderPublisher>.Instance);
        var catalogue = new SaleCatalogue(
            new ServiceCollection().BuildServiceProvider().GetRequiredService<IServiceScopeFactory>(),
            new OfferRecorder(time, NullLogger<OfferRecorder>.Instance),
            Options.Create(new CatalogueOptions()), time, NullLogger<SaleCatalogue>.Instance);
        return new GateLanes(
            ledger, new StockRecovery(redis.Connection), publisher, catalogue, Options.Create(new GateOptions()), time,
            NullLogger<GateLanes>.Instance);
    }

    private static SaleView Sale(long skuId, TimeSpan endsIn)
    {
        var now = DateTimeOffset.UtcNow;
        return new SaleView(
            skuId, 1, "", "", "", default(JsonElement), Offer.Of(1, "", "", ""), 1,
            new SaleTerms(now.AddDays(-1), now + endsIn, 1, Paused: false), false, null);
    }

    /// <summary>No shield allows a probe meanwhile.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        public override long GetTimestamp() => 1;
    }
}
