using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>
/// MySQL was restored to before a SKU was created, and Redis still has data of it: no new SKU gets its id, and with it its orders.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class RememberedSkuTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>, IAsyncLifetime
{
    private readonly ApiHost _api = api.Host;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await servers.PurgeAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task The_id_of_a_sale_that_MySQL_has_lost_is_not_given_again()
    {
        var lost = IdOf(await CreateAsync());
        Assert.Equal(200, (await _api.BuyAsync(92_000, lost)).Status);
        await using (var store = servers.OpenStore())
        {
            await store.SeckillSales.Where(sale => sale.SkuId == lost).ExecuteDeleteAsync(Cancelled);
            await store.ProductSkus.Where(sku => sku.Id == lost).ExecuteDeleteAsync(Cancelled);
        }

        await AssertNotGivenAsync(lost);
        await servers.Redis.KeyDeleteAsync(new SkuKeys(lost).All);
        Assert.Equal(201, (await CreateAsync($$""","sku_id":{{lost}}""")).Status);
    }

    /// <summary>Neither its buyers' orders nor its refusals become the new product's.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_id_of_a_deleted_SKU_that_was_ordered_is_not_given_again(bool written)
    {
        var deleted = IdOf(await CreateAsync());
        var orderId = Random.Shared.NextInt64(1, 1_000_000_000_000);
        await using (var store = servers.OpenStore())
        {
            if (written)
            {
                await StoredOrders.AddOneAsync(store, deleted, orderId, userId: 92_001);
            }
            else
            {
                store.OrderRejections.Add(new OrderRejection
                {
                    OrderId = orderId,
                    UserId = 92_001,
                    SkuId = deleted,
                    Quantity = 1,
                    Reason = "sold out",
                    TraceId = "",
                    CreatedAt = DateTime.UtcNow,
                });
                await store.SaveChangesAsync(Cancelled);
            }

            await store.SeckillSales.Where(sale => sale.SkuId == deleted).ExecuteDeleteAsync(Cancelled);
            await store.ProductSkus.Where(sku => sku.Id == deleted).ExecuteDeleteAsync(Cancelled);
        }

        await servers.Redis.KeyDeleteAsync(new SkuKeys(deleted).All);
        await AssertNotGivenAsync(deleted);

        // The fixture gives later tests the next id that product_skus does not have.
        await using var after = servers.OpenStore();
        await after.OrderItems.Where(item => item.SkuId == deleted).ExecuteDeleteAsync(Cancelled);
        await after.OrderRejections.Where(rejection => rejection.SkuId == deleted).ExecuteDeleteAsync(Cancelled);
    }

    [Theory]
    [InlineData("stock")]
    [InlineData("sale")]
    [InlineData("foreign sale")]
    [InlineData("orders")]
    [InlineData("outbox")]
    public async Task One_key_of_a_SKU_is_enough(string key)
    {
        var sku = new SkuKeys(IdOf(await CreateAsync()) + 1);
        await (key switch
        {
            "stock" => (Task)servers.Redis.StringSetAsync(sku.Stock, 1),
            "sale" => servers.Redis.HashSetAsync(sku.Sale, "epoch", 1),
            "foreign sale" => servers.Redis.StringSetAsync(sku.Sale, "theirs"),
            "orders" => servers.Redis.HashSetAsync(sku.Orders, 1, "P|1|7|1|5||"),
            _ => servers.Redis.SortedSetAddAsync(sku.Outbox, 1, 0),
        });

        await AssertNotGivenAsync(sku.SkuId);

        await servers.Redis.KeyDeleteAsync(sku.All);
    }

    /// <summary>Redis had lost the SKU when its sale was changed, and MySQL has lost it since.</summary>
    [Fact]
    public async Task The_trace_of_a_change_takes_no_id()
    {
        var skuId = IdOf(await CreateAsync()) + 1;
        await _api.Get<StockLedger>().OutdateAsync(new SkuKeys(skuId), DateTimeOffset.UtcNow.AddHours(1), Cancelled);

        Assert.Equal(skuId, IdOf(await CreateAsync()));
        Assert.Equal(200, (await _api.BuyAsync(92_100, skuId)).Status);
    }

    private async Task AssertNotGivenAsync(long skuId)
    {
        var wanted = await CreateAsync($$""","sku_id":{{skuId}}""");
        Assert.Equal((409, "sku_id is taken"), (wanted.Status, wanted.Error));
        Assert.Equal(skuId + 1, IdOf(await CreateAsync()));
    }

    private static long IdOf(Reply made) => long.Parse(made.Text("sku_id"), null);

    private Task<Reply> CreateAsync(string more = "")
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        return _api.PostAsync(
            "/api/ops/sales", _api.Operator,
            $$"""
              {"title":"Lamp","price":9.90,"limit_per_user":2,"units":5,
              "starts_at_ms":{{now - 1_000}},"ends_at_ms":{{now + 3_600_000}}{{more}}}
              """);
    }
}
