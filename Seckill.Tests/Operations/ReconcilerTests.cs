using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>The reconciler with more SKUs than it compares in one pass.</summary>
[Collection(OperationsTests.Name)]
public sealed class ReconcilerTests(OperationsFixture servers)
{
    private const long FirstSku = 700_001;

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
        try
        {
            await servers.Redis.StringIncrementAsync(new SkuKeys(skuIds[1]).Stock);
            await Deadline.UntilAsync(() => Task.FromResult(DifferenceOf(skuIds[1])), difference => difference == 1, Cancelled);
            await servers.PutOnSaleAsync(api);
            await OperatorSeesBothAsync(api, skuIds[0], skuIds[1]);
        }
        finally
        {
            await RemoveSalesAsync();
        }

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
        var (differences, counts) = (new ConcurrentDictionary<long, long>(), new ConcurrentQueue<int>());
        using var listener = ListenTo(differences);
        using var countListener = ListenToCount(counts);
        await using var api = servers.StartApi(("Reconciliation:EveryMs", "200"));
        await servers.WaitUntilLoadedAsync(api, skuIds[^1]);
        await using (var store = servers.OpenStore())
        {
            await Deadline.UntilAsync(
                () => store.ProductSkus.CountAsync(sku => skuIds.Contains(sku.Id) && sku.GateEpoch > 0, Cancelled),
                loaded => loaded == SkuCount, Cancelled);
        }

        foreach (var skuId in skuIds)
        {
            await servers.Redis.StringIncrementAsync(new SkuKeys(skuId).Stock);
        }

        await AllDifferAsync(1);
        await CountShownAsync(true);
        foreach (var skuId in skuIds)
        {
            await servers.Redis.StringDecrementAsync(new SkuKeys(skuId).Stock);
        }

        // A SKU that differed is reported with 0 for a while.
        await AllDifferAsync(0);
        await CountShownAsync(false);
        await RemoveSalesAsync();

        async Task CountShownAsync(bool shown) => await Deadline.UntilAsync(
            () =>
            {
                counts.Clear();
                countListener.RecordObservableInstruments();
                return Task.FromResult(counts.Contains(SkuCount));
            },
            now => now == shown,
            Cancelled);

        async Task AllDifferAsync(long units) => await Deadline.UntilAsync(
            () =>
            {
                listener.RecordObservableInstruments();
                return Task.FromResult(skuIds.Count(skuId => differences.TryGetValue(skuId, out var difference) && difference == units));
            },
            count => count == SkuCount,
            Cancelled);
    }

    /// <summary>Redis's own total hides units that it holds for no reservation, so the first difference does not show them.</summary>
    [Fact]
    public async Task Units_held_for_no_reservation_have_a_metric_of_their_own()
    {
        const long skuId = FirstSku + SkuCount + 3;
        await AddSalesAsync([skuId]);
        var (differences, held) = (new ConcurrentDictionary<long, long>(), new ConcurrentDictionary<long, long>());
        using var listener = ListenTo(differences);
        using var heldListener = ListenTo(held, "seckill.reconciliation.held_difference");
        await using var api = servers.StartApi(("Reconciliation:EveryMs", "200"), ("Catalogue:CheckEveryMs", "200"));
        await servers.WaitUntilLoadedAsync(api, skuId);
        var keys = new SkuKeys(skuId);
        await servers.Redis.StringDecrementAsync(keys.Stock, 2);
        await servers.Redis.HashIncrementAsync(keys.Sale, "held", 2);
        await HeldShownAsync(2);
        await RemoveSalesAsync();

        async Task HeldShownAsync(long units) => await Deadline.UntilAsync(
            () =>
            {
                listener.RecordObservableInstruments();
                heldListener.RecordObservableInstruments();
                return Task.FromResult((differences.GetValueOrDefault(skuId), held.GetValueOrDefault(skuId)));
            },
            shown => shown == (0, units),
            Cancelled);
    }

    /// <summary>Otherwise an alert on the metric would go on for ever.</summary>
    [Fact]
    public async Task A_difference_leaves_the_metric_of_an_instance_that_does_not_compare_the_SKU_any_more()
    {
        const long skuId = FirstSku + SkuCount + 2;
        RedisKey lease = "seckill:reconciler";
        await AddSalesAsync([skuId]);
        var differences = new ConcurrentDictionary<long, long>();
        using var listener = ListenTo(differences);
        await using var api = servers.StartApi(("Reconciliation:EveryMs", "200"), ("Catalogue:CheckEveryMs", "200"));
        await servers.WaitUntilLoadedAsync(api, skuId);
        await servers.Redis.StringIncrementAsync(new SkuKeys(skuId).Stock);
        await UntilShownAsync(true);

        await servers.Redis.StringSetAsync(lease, "another", TimeSpan.FromMinutes(1));
        await UntilShownAsync(false);
        await servers.Redis.KeyDeleteAsync(lease);
        await UntilShownAsync(true);

        await RemoveSalesAsync();
        await UntilShownAsync(false);

        async Task UntilShownAsync(bool shown) => await Deadline.UntilAsync(
            () =>
            {
                differences.Clear();
                listener.RecordObservableInstruments();
                return Task.FromResult(differences.GetValueOrDefault(skuId) == 1);
            },
            now => now == shown,
            Cancelled);
    }

    [Fact]
    public async Task An_instance_that_stops_in_good_order_leaves_its_jobs_to_the_next_at_once()
    {
        RedisKey[] leases = ["seckill:reconciler", "seckill:outbox:sweeper"];
        var stops = 0;
        await Deadline.UntilAsync(
            async () =>
            {
                // A stop waits for Redis for a second, which a busy machine may exceed once or twice.
                Assert.InRange(++stops, 1, 3);
                await servers.Redis.KeyDeleteAsync(leases);
                await using (servers.StartApi(("Reconciliation:EveryMs", "200")))
                {
                    await Deadline.UntilAsync(() => servers.Redis.KeyExistsAsync(leases), held => held == leases.Length, Cancelled);
                }

                return await servers.Redis.KeyExistsAsync(leases);
            },
            left => left == 0, Cancelled);
    }

    /// <summary>The SKU that Redis cannot read hides neither itself nor the other from an operator, and a repair leaves it alone.</summary>
    private static async Task OperatorSeesBothAsync(ApiHost api, long unreadable, long other)
    {
        var token = api.Operator;
        var books = (await api.GetAsync("/api/ops/reconciliation", token)).Body;
        Assert.False(books.GetProperty("healthy").GetBoolean());
        var items = books.GetProperty("items").EnumerateArray().ToDictionary(item => item.GetProperty("sku_id").GetString()!);
        Assert.Equal(1, items[$"{other}"].GetProperty("difference").GetInt64());
        Assert.Contains("WRONGTYPE", items[$"{unreadable}"].GetProperty("unreadable").GetString(), StringComparison.Ordinal);
        Assert.Equal(10, items[$"{unreadable}"].GetProperty("mysql_stock").GetInt64());

        var repair = await api.PostAsync("/api/ops/reconciliation/repair?apply=true", token, "");
        Assert.Equal(200, repair.Status);
        var steps = repair.Body.GetProperty("steps").EnumerateArray().Select(step => step.GetString()!).ToArray();
        Assert.Contains(steps, step => step.StartsWith($"sku {unreadable}: nothing", StringComparison.Ordinal));
        Assert.Contains(steps, step => step.StartsWith($"sku {other}: load", StringComparison.Ordinal));
    }

    /// <summary>An unreadable SKU would disturb the following tests.</summary>
    private async Task RemoveSalesAsync()
    {
        await using var store = servers.OpenStore();
        await store.SeckillSales.Where(sale => sale.SkuId >= FirstSku).ExecuteDeleteAsync(CancellationToken.None);
        // Otherwise the reconcilers of later tests would work on these keys.
        await servers.Redis.KeyDeleteAsync(
            [.. Enumerable.Range(0, SkuCount + 4).SelectMany(i => new SkuKeys(FirstSku + i).All)]);
    }

    private static MeterListener ListenTo(
        ConcurrentDictionary<long, long> differences, string name = "seckill.reconciliation.difference")
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == name)
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, difference, tags, _) => differences[(long)tags[0].Value!] = difference);
        listener.Start();
        return listener;
    }

    /// <summary>Gets a number from every reconciler of this process, also from those of other tests.</summary>
    private static MeterListener ListenToCount(ConcurrentQueue<int> counts)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "seckill.reconciliation.skus_differing")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<int>((_, count, _, _) => counts.Enqueue(count));
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
