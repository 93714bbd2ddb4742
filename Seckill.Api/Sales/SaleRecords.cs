using System.Globalization;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Api.Sales;

/// <summary>
/// Reads current sales without the catalogue's cache, terms and stock from MySQL and the counter from Redis, and adds new ones to MySQL.
/// </summary>
internal sealed class SaleRecords(IServiceScopeFactory scopes, StockLedger ledger, IConnectionMultiplexer redis)
{
    /// <summary>Maximum number of ids that are skipped for a new SKU because there is data under them.</summary>
    public const int IdsSkippedMax = 1_000;

    /// <summary>Maximum number of sales in a list.</summary>
    public const int SalesMax = 500;

    private const string DefaultImage = "/img/bolt.svg";

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

    /// <summary>Whether MySQL has orders or refusals of a SKU with this id, which would become the new one's.</summary>
    public async Task<bool> HasHistoryAsync(long skuId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        return await context.OrderItems.AnyAsync(item => item.SkuId == skuId, cancellationToken)
            || await context.OrderRejections.AnyAsync(rejection => rejection.SkuId == skuId, cancellationToken);
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

    /// <summary>The next id that neither store knows; null when there is data under too many of them.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async Task<long?> NextFreeSkuIdAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var skus = scope.ServiceProvider.GetRequiredService<OrderingDbContext>().ProductSkus;
        var next = (await skus.Where(sku => sku.Id <= SaleRules.SkuIdMax).MaxAsync(sku => (long?)sku.Id, cancellationToken) ?? 0) + 1;
        // One after the other: the first is nearly always free, and many at once would need all masters of a cluster.
        for (var id = next; id < next + IdsSkippedMax; id++)
        {
            if (!await IsRememberedAsync(id, cancellationToken) && !await HasHistoryAsync(id, cancellationToken))
            {
                return id;
            }
        }

        return null;
    }

    /// <summary>Adds the product with its SKU and sale; null when one of the ids was taken meanwhile.</summary>
    /// <exception cref="DbUpdateException">MySQL failed; the rows may have been committed. Likewise the exceptions below.</exception>
    /// <exception cref="MySqlException">The connection or the commit failed.</exception>
    /// <exception cref="InvalidOperationException">EF considers the failure transient.</exception>
    public async Task<Product?> TryAddAsync(long skuId, CreateSaleRequest request, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var product = new Product
        {
            Id = (await context.Products.MaxAsync(p => (long?)p.Id, cancellationToken) ?? 0) + 1,
            Title = request.Title!,
            Description = request.Description ?? "",
            Image = request.Image ?? DefaultImage,
        };
        product.Skus.Add(new ProductSku
        {
            Id = skuId,
            Title = request.Title!,
            Price = request.Price!.Value,
            Stock = request.Units!.Value,
            Image = product.Image,
            Attrs = "{}",
            Sale = new SeckillSale
            {
                SkuId = skuId,
                StartsAt = Time(request.StartsAtMs!.Value),
                EndsAt = Time(request.EndsAtMs!.Value),
                LimitPerUser = request.LimitPerUser!.Value,
                ListPrice = request.ListPrice ?? 0,
                Units = request.Units,
            },
        });
        context.Products.Add(product);
        try
        {
            // All three rows in one transaction.
            await context.SaveChangesAsync(cancellationToken);
            return product;
        }
        catch (Exception exception) when (IsLostRace(exception))
        {
            return null;
        }
    }

    /// <summary>
    /// Another request took the id, or the two inserts at the end of the table deadlocked; EF wraps the second case once more, as
    /// transient.
    /// </summary>
    private static bool IsLostRace(Exception exception) => exception switch
    {
        InvalidOperationException { InnerException: DbUpdateException inner } => IsLostRace(inner),
        DbUpdateException { InnerException: MySqlException cause } =>
            cause.ErrorCode is MySqlErrorCode.DuplicateKeyEntry or MySqlErrorCode.LockDeadlock,
        _ => false,
    };

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
