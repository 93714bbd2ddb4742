using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using Seckill.Tests.LocalServers;

namespace Seckill.Tests.Operations;

/// <summary>What the reconciler sees by itself when there are more SKUs to compare than it compares in one pass.</summary>
[Collection(OperationsTests.Name)]
public sealed class ReconcilerTests(OperationsFixture servers)
{
    private const long FirstSku = 900_001;

    /// <summary>Two passes and a half.</summary>
    private const int SkuCount = 250;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_SKU_that_Redis_cannot_read_keeps_no_other_from_being_loaded_and_compared()
    {
        long[] skuIds = [FirstSku + SkuCount, FirstSku + SkuCount + 1];
        await AddSalesAsync(skuIds);
        var differences = new ConcurrentDictionary<long, long>();
        using var listener = ListenTo(differences);
        await using var api = servers.StartApi(("Reconciliation:EveryMs", "200"), ("Catalogue:CheckEveryMs", "200"));
        await servers.WaitUntilLoadedAsync(api, skuIds[0]);
        await servers.WaitUntilLoadedAsync(api, skuIds[1]);
        await servers.Redis.StringSetAsync(new SkuKeys(skuIds[0]).Outbox, "not a sorted set");

        await servers.Redis.StringIncrementAsync(new SkuKeys(skuIds[1]).Stock);
        await Deadline.UntilAsync(() => Task.FromResult(DifferenceOf(skuIds[1])), difference => difference == 1, Cancelled);
        await servers.PutOnSaleAsync(api);

        await using var store = servers.OpenStore();
        await store.SeckillSales.Where(sale => sale.SkuId >= FirstSku).ExecuteDeleteAsync(Cancelled);

        long? DifferenceOf(long skuId)
        {
            listener.RecordObservableInstruments();
            return differences.TryGetValue(skuId, out var difference) ? difference : null;
        }
    }

    [Fact]
    public async Task Every_difference_is_found_pass_by_pass_and_goes_when_it_is_mended()
    {
        long[] skuIds = [.. Enumerable.Range(0, SkuCount).Select(i => FirstSku + i)];
        await AddSalesAsync(skuIds);
        var differences = new ConcurrentDictionary<long, long>();
        using var listener = ListenTo(differences);
        await using var api = servers.StartApi(("Reconciliation:EveryMs", "200"));
        await servers.WaitUntilLoadedAsync(api, skuIds[^1]);

        await AllDifferAsync(0);
        foreach (var skuId in skuIds)
        {
            await servers.Redis.StringIncrementAsync(new SkuKeys(skuId).Stock);
        }

        await AllDifferAsync(1);
        foreach (var skuId in skuIds)
        {
            await servers.Redis.StringDecrementAsync(new SkuKeys(skuId).Stock);
        }

        await AllDifferAsync(0);
        await using var store = servers.OpenStore();
        await store.SeckillSales.Where(sale => sale.SkuId >= FirstSku).ExecuteDeleteAsync(Cancelled);

        async Task AllDifferAsync(long units) => await Deadline.UntilAsync(
            () =>
            {
                listener.RecordObservableInstruments();
                return Task.FromResult(skuIds.Count(skuId => differences.TryGetValue(skuId, out var difference) && difference == units));
            },
            count => count == SkuCount,
            Cancelled);
    }

    private static MeterListener ListenTo(ConcurrentDictionary<long, long> differences)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "seckill.reconciliation.difference")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, difference, tags, _) => differences[(long)tags[0].Value!] = difference);
        listener.Start();
        return listener;
    }

    private async Task AddSalesAsync(long[] skuIds)
    {
        var now = DateTime.UtcNow;
        await using var store = servers.OpenStore();
        store.ProductSkus.AddRange(skuIds.Select(skuId => new ProductSku
        {
            Id = skuId,
            ProductId = 1,
            Title = "Phone, one of many",
            Price = 99.5m,
            Stock = 10,
            Image = "/img/phone.svg",
            Attrs = "{}",
            Sale = new SeckillSale { SkuId = skuId, StartsAt = now.AddMinutes(-5), EndsAt = now.AddDays(1), LimitPerUser = 1, Units = 10 },
        }));
        await store.SaveChangesAsync(Cancelled);
    }
}
