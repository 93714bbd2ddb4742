using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.OrderWorker.Migrating;

/// <summary>Demo products for a developer's machine.</summary>
internal static class DemoCatalogue
{
    private const int OpenDays = 30;

    /// <summary>Adds the demo products and their sales to an empty catalogue; false when the catalogue was not empty.</summary>
    public static async Task<bool> SeedAsync(OrderingDbContext context, TimeProvider time, CancellationToken cancellationToken)
    {
        if (await context.Products.AnyAsync(cancellationToken))
        {
            return false;
        }

        context.Products.AddRange(Products(time.GetUtcNow().UtcDateTime));
        try
        {
            await context.SaveChangesAsync(cancellationToken);
            return true;
        }
        catch (DbUpdateException exception)
            when (exception.InnerException is MySqlException { ErrorCode: MySqlErrorCode.DuplicateKeyEntry })
        {
            // One transaction with fixed keys: another worker was faster and has added everything.
            return false;
        }
    }

    private static Product[] Products(DateTime now) =>
    [
        Of(1, 1001, "量子手机 15 Pro / Quantum Phone 15 Pro", "钛金属机身，一英寸主摄。Titanium body, one-inch main camera.", "phone.svg",
            price: 1_999m, listPrice: 5_999m, stock: 100, limit: 1, """{"color":"钛灰 titanium","storage":"256GB"}""", now.AddDays(-1)),
        Of(2, 1002, "静界降噪耳机 / Stillness Headphones", "主动降噪，四十小时续航。Noise cancelling, forty hours of battery.", "headphones.svg",
            price: 299m, listPrice: 1_299m, stock: 50, limit: 2, """{"color":"米白 ivory"}""", now.AddDays(-1)),
        Of(3, 1003, "手冲咖啡豆 / Pour-over Coffee Beans", "埃塞俄比亚，浅烘。Ethiopia, light roast.", "coffee.svg",
            price: 9.9m, listPrice: 68m, stock: 10_000, limit: 1, """{"weight":"250g"}""", now.AddDays(-1)),
        Of(4, 1004, "折叠自行车 / Folding Bicycle", "二十寸，十一公斤。Twenty inches, eleven kilograms.", "bicycle.svg",
            price: 899m, listPrice: 2_499m, stock: 200, limit: 1, """{"size":"20\"","color":"橙 orange"}""", now.AddDays(1)),
    ];

    private static Product Of(
        long id, long skuId, string title, string description, string image, decimal price, decimal listPrice, int stock, int limit,
        string attrs, DateTime startsAt)
    {
        var product = new Product { Id = id, Title = title, Description = description, Image = $"/img/{image}" };
        product.Skus.Add(new ProductSku
        {
            Id = skuId,
            ProductId = id,
            Title = title,
            Price = price,
            Stock = stock,
            Image = $"/img/{image}",
            Attrs = attrs,
            Sale = new SeckillSale
            {
                SkuId = skuId,
                StartsAt = startsAt,
                EndsAt = startsAt.AddDays(OpenDays),
                LimitPerUser = limit,
                ListPrice = listPrice,
                Units = stock,
            },
        });
        return product;
    }
}
