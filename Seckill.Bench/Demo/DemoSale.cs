using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Bench.Load;
using Seckill.Bench.Target;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Bench.Demo;

/// <summary>A sale of the demonstration's own: the demonstration can be repeated and disturbs no other sale.</summary>
public static class DemoSale
{
    /// <summary>The shop's own SKUs are below it.</summary>
    private const long SkuIdMin = 900_000;

    private const int DurationHours = 1;
    private const int TakenRetriesMax = 5;
    private const int OpenDeadlineMs = 30_000;
    private const int PollDelayMs = 100;

    /// <summary>Writes product, SKU and sale into MySQL; the sale is open.</summary>
    /// <returns>The SKU.</returns>
    public static async Task<long> CreateAsync(Func<OrderingDbContext> contexts, int units, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var context = contexts();
            var id = 1 + Math.Max(
                await context.ProductSkus.Where(s => s.Id >= SkuIdMin).MaxAsync(s => (long?)s.Id, cancellationToken) ?? SkuIdMin,
                await context.Products.Where(p => p.Id >= SkuIdMin).MaxAsync(p => (long?)p.Id, cancellationToken) ?? SkuIdMin);
            var now = DateTime.UtcNow;
            context.Products.Add(
                new Product { Id = id, Title = $"Demonstration {id}", Description = "Made by the demo command.", Image = "/img/bolt.svg" });
            context.ProductSkus.Add(new ProductSku
            {
                Id = id,
                ProductId = id,
                Title = $"Demonstration {id}",
                Price = 99.00m,
                Stock = units,
                Image = "/img/bolt.svg",
                Attrs = """{"edition":"demo"}""",
            });
            context.SeckillSales.Add(new SeckillSale
            {
                SkuId = id,
                StartsAt = now.AddMinutes(-1),
                EndsAt = now.AddHours(DurationHours),
                LimitPerUser = 1,
                ListPrice = 199.00m,
            });
            try
            {
                await context.SaveChangesAsync(cancellationToken);
                return id;
            }
            catch (DbUpdateException exception) when (
                attempt < TakenRetriesMax && exception.InnerException is MySqlException { ErrorCode: MySqlErrorCode.DuplicateKeyEntry })
            {
                // Another demonstration took the id at the same moment.
            }
        }
    }

    /// <summary>
    /// Takes the sale off the buyers' page; product, SKU and orders stay. Call it once all is quiet: its keys in Redis go too, because a
    /// counter without a sale counts as a fault in the books. While orders are under way the keys stay, and expire.
    /// </summary>
    public static async Task RemoveAsync(
        Func<OrderingDbContext> contexts, IConnectionMultiplexer redis, long skuId, CancellationToken cancellationToken)
    {
        await using var context = contexts();
        await context.SeckillSales.Where(sale => sale.SkuId == skuId).ExecuteDeleteAsync(cancellationToken);
        var sku = new SkuKeys(skuId);
        var database = redis.GetDatabase();
        // An Api that has not been notified yet may still forward a click: it must not be accepted between the check and the deletion.
        await new StockRecovery(redis).CloseAsync(sku, cancellationToken);
        if (await database.SortedSetLengthAsync(sku.Outbox).WaitAsync(cancellationToken) == 0)
        {
            await database.KeyDeleteAsync([sku.Stock, sku.Sale, sku.Orders, sku.Buyers, sku.Clicks, sku.Outbox])
                .WaitAsync(cancellationToken);
        }
    }

    /// <summary>Loads the gate and waits until it sells the SKU.</summary>
    /// <exception cref="TargetException">It does not sell it within half a minute.</exception>
    public static async Task OpenAsync(GateClient shop, string operatorToken, long skuId, CancellationToken cancellationToken)
    {
        await shop.WarmUpAsync(operatorToken, cancellationToken);
        var started = Environment.TickCount64;
        while (await shop.CatalogueStockAsync(skuId, cancellationToken) is null or 0)
        {
            if (Environment.TickCount64 - started > OpenDeadlineMs)
            {
                throw new TargetException(
                    $"The gate was loaded, but GET /api/products shows no stock for SKU {skuId} after {OpenDeadlineMs / 1000} s.");
            }

            await Task.Delay(PollDelayMs, cancellationToken);
        }
    }
}
