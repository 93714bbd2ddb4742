using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Api.Sales;

/// <summary>Reads current sales without the catalogue's cache: terms and stock from MySQL, the counter from Redis.</summary>
internal sealed class SaleRecords(IServiceScopeFactory scopes, StockLedger ledger, IConnectionMultiplexer redis)
{
    /// <summary>Maximum number of ids that are skipped for a new SKU because Redis has data under them.</summary>
    public const int IdsSkippedMax = 1_000;

    /// <summary>Maximum number of sales in a list.</summary>
    public const int SalesMax = 500;

    /// <summary>Sorted by SKU; if there are too many sales, those that end last.</summary>
    public async Task<IReadOnlyList<OperatorSale>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await ReadAsync(skus => skus.OrderByDescending(sku => sku.Sale!.EndsAt).Take(SalesMax), cancellationToken))
            .OrderBy(sale => sale.Id).Select(sale => sale.Sale)];

    /// <summary>Null when MySQL has no sale of this SKU.</summary>
    public async Task<OperatorSale?> FindAsync(long skuId, CancellationToken cancellationToken) =>
        (await ReadAsync(skus => skus.Where(sku => sku.Id == skuId), cancellationToken)).SingleOrDefault().Sale;

    /// <summary>Whether the SKU exists, on sale or not.</summary>
    public async Task<bool> ExistsAsync(long skuId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<OrderingDbContext>().ProductSkus.AnyAsync(
            sku => sku.Id == skuId, cancellationToken);
    }

    /// <summary>
    /// Whether Redis has data of a SKU with this id. MySQL may have lost that SKU, as when a backup is restored. Orders that buyers were
    /// told of are then written again, and must not become orders of another product.
    /// </summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async Task<bool> IsRememberedAsync(long skuId, CancellationToken cancellationToken)
    {
        var sku = new SkuKeys(skuId);
        RedisKey[] keys = [sku.Stock, sku.Orders, sku.Buyers, sku.Clicks, sku.Outbox];
        var database = redis.GetDatabase();
        return await database.KeyExistsAsync(keys).ReplyAsync(cancellationToken) > 0
            || await database.KeyTypeAsync(sku.Sale).ReplyAsync(cancellationToken) switch
            {
                RedisType.None => false,
                // Without an epoch it is only the trace of a change made while Redis had lost the SKU, see OutdateAsync.
                RedisType.Hash => await database.HashExistsAsync(sku.Sale, "epoch").ReplyAsync(cancellationToken),
                _ => true,
            };
    }

    /// <summary>The next id that neither store knows; null when Redis has data under too many of them.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async Task<long?> NextFreeSkuIdAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var skus = scope.ServiceProvider.GetRequiredService<OrderingDbContext>().ProductSkus;
        var next = (await skus.Where(sku => sku.Id <= SaleRules.SkuIdMax).MaxAsync(sku => (long?)sku.Id, cancellationToken) ?? 0) + 1;
        // One after the other: the first is nearly always free, and many at once would need all masters of a cluster.
        for (var id = next; id < next + IdsSkippedMax; id++)
        {
            if (!await IsRememberedAsync(id, cancellationToken))
            {
                return id;
            }
        }

        return null;
    }

    internal static long Milliseconds(DateTime utc) => new DateTimeOffset(utc, TimeSpan.Zero).ToUnixTimeMilliseconds();

    internal static DateTime Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime;

    private async Task<IReadOnlyList<(long Id, OperatorSale Sale)>> ReadAsync(
        Func<IQueryable<ProductSku>, IQueryable<ProductSku>> choice, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var skus = await choice(context.ProductSkus.AsNoTracking().Where(sku => sku.Sale != null))
            .Include(sku => sku.Product).Include(sku => sku.Sale).ToListAsync(cancellationToken);
        // MySQL's part is still useful by itself; the health check reports Redis.
        var stock = await ledger.StockAsync([.. skus.Select(sku => new SkuKeys(sku.Id))], cancellationToken);
        return [.. skus.Select(sku => (sku.Id, Of(sku, sku.Product!, sku.Sale!, stock.GetValueOrDefault(sku.Id))))];
    }

    internal static OperatorSale Of(ProductSku sku, Product product, SeckillSale sale, long? redisStock) => new(
        Text(sku.Id), Text(product.Id), sku.Title, product.Title, product.Description, sku.Image, sku.Price, sale.ListPrice,
        sale.LimitPerUser, Milliseconds(sale.StartsAt), Milliseconds(sale.EndsAt), sale.Paused, sale.TokenRequired, sale.Units, sku.Stock,
        redisStock, sale.ClosedUnits);

    private static string Text(long id) => id.ToString(CultureInfo.InvariantCulture);
}
