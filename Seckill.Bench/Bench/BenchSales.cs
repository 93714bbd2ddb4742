using System.Globalization;
using Seckill.Bench.Load;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Bench.Bench;

/// <summary>Fresh SKUs for each round, so that no round is affected by another's data.</summary>
internal sealed class BenchSales(BenchSystem system)
{
    public const int NoLimit = 1_000_000;

    private const int OpenDeadlineMs = 120_000;
    private const int PollDelayMs = 100;

    private long _next = 1_000_000;

    /// <summary>SKUs on sale at our own gate, loaded.</summary>
    public async Task<long[]> OpenAsync(int count, int unitsEach, int limitPerUser, CancellationToken cancellationToken)
    {
        var ids = await AddSkusAsync(count, unitsEach, limitPerUser, cancellationToken);
        await WarmUpAsync(system.Api, cancellationToken);
        var database = system.RedisConnection.GetDatabase();
        var started = Environment.TickCount64;
        while (!await database.KeyExistsAsync(new SkuKeys(ids[^1]).Stock))
        {
            if (Environment.TickCount64 - started > OpenDeadlineMs)
            {
                throw new TimeoutException($"SKU {ids[^1]} was not loaded within {OpenDeadlineMs / 1_000} s.");
            }

            await Task.Delay(PollDelayMs, cancellationToken);
        }

        return ids;
    }

    /// <summary>Makes an instance read the sales.</summary>
    public async Task WarmUpAsync(LocalService api, CancellationToken cancellationToken)
    {
        using var shop = new GateClient(new Uri(api.Url), 8, OpenDeadlineMs);
        await shop.WarmUpAsync(system.OperatorToken, cancellationToken);
    }

    /// <summary>A SKU for the textbook designs: the same row in MySQL, and the tutorial's counter.</summary>
    public async Task<long> OpenTextbookAsync(int units, CancellationToken cancellationToken)
    {
        var id = (await AddSkusAsync(1, units, limitPerUser: null, cancellationToken))[0];
        await system.CountAsync($"INSERT INTO textbook_sku_versions (sku_id) VALUES ({id}); SELECT 1", cancellationToken);
        await system.RedisConnection.GetDatabase().StringSetAsync($"stock:sku:{id}", units);
        return id;
    }

    /// <summary>Units sold, according to MySQL.</summary>
    public async Task<long> SoldAsync(long[] skuIds, int unitsEach, CancellationToken cancellationToken) =>
        ((long)unitsEach * skuIds.Length) - await system.CountAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"SELECT CAST(SUM(stock) AS SIGNED) FROM product_skus WHERE id BETWEEN {skuIds[0]} AND {skuIds[^1]}"),
            cancellationToken);

    private async Task<long[]> AddSkusAsync(int count, int units, int? limitPerUser, CancellationToken cancellationToken)
    {
        var ids = Enumerable.Range(0, count).Select(i => _next + i).ToArray();
        _next += count;
        await using var context = system.Context();
        context.Products.Add(new Product { Id = ids[0], Title = "Benchmark", Description = "", Image = "/img/bench.svg" });
        var now = DateTime.UtcNow;
        foreach (var id in ids)
        {
            context.ProductSkus.Add(new ProductSku
            {
                Id = id,
                ProductId = ids[0],
                Title = "Benchmark 量子手机",
                Price = 99.00m,
                Stock = units,
                Image = "/img/bench.svg",
                Attrs = """{"color":"black"}""",
            });
            if (limitPerUser is { } limit)
            {
                context.SeckillSales.Add(new SeckillSale
                {
                    SkuId = id,
                    StartsAt = now.AddMinutes(-1),
                    EndsAt = now.AddHours(4),
                    LimitPerUser = limit,
                    ListPrice = 199.00m,
                });
            }
        }

        await context.SaveChangesAsync(cancellationToken);
        return ids;
    }
}
