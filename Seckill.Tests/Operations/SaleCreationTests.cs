using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using MySqlConnector;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>A creation that does not end as it should tells the operator what a repeat would do.</summary>
[Collection(OperationsTests.Name)]
public sealed class SaleCreationTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>
{
    private readonly ApiHost _api = api.Host;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The connection ends during the insert, as it may between the commit and its acknowledgement.</summary>
    [Fact]
    public async Task Without_an_acknowledgement_the_answer_names_the_SKU_for_the_repeat()
    {
        await using var blocker = servers.OpenStore();
        await using var blocking = await BlockInsertsAsync(blocker);
        var creation = CreateAsync("");
        await KillAsync(await InsertsAsync());
        var unknown = await creation;

        Assert.Equal((503, "busy"), (unknown.Status, unknown.Error));
        var words = unknown.Text("detail").Split(' ');
        Assert.Equal("SKU", words[0]);
        await blocking.RollbackAsync(Cancelled);

        var repeat = $""","sku_id":{words[1]}""";
        var made = await CreateAsync(repeat);
        Assert.Equal((201, words[1]), (made.Status, made.Text("sku_id")));
        Assert.Equal(409, (await CreateAsync(repeat)).Status);
    }

    [Fact]
    public async Task A_sale_that_Redis_cannot_take_yet_is_created_and_loaded_later()
    {
        await using var blocker = servers.OpenStore();
        // The first test of all finds no SKU.
        var skuId = 1_000 + (await blocker.ProductSkus.MaxAsync(sku => (long?)sku.Id, Cancelled) ?? 0);
        var keys = new SkuKeys(skuId);
        await using (var blocking = await BlockInsertsAsync(blocker))
        {
            var creation = CreateAsync($""","sku_id":{skuId}""");
            await InsertsAsync();
            // Free when the id was chosen, and unreadable when the sale is loaded.
            await servers.Redis.StringSetAsync(keys.Sale, "no hash");
            await blocking.RollbackAsync(Cancelled);
            var made = await creation;
            Assert.Equal((201, $"{skuId}"), (made.Status, made.Text("sku_id")));
        }

        await servers.Redis.KeyDeleteAsync(keys.Sale);
        await servers.WaitUntilLoadedAsync(_api, skuId);
    }

    /// <summary>Holds the id of the next product, uncommitted, so that a creation waits in the middle of its insert.</summary>
    private static async Task<IDbContextTransaction> BlockInsertsAsync(OrderingDbContext store)
    {
        var transaction = await store.Database.BeginTransactionAsync(Cancelled);
        var next = 1 + await store.Products.MaxAsync(product => product.Id, Cancelled);
        store.Products.Add(new Product { Id = next, Title = "Held", Description = "", Image = "/img/bolt.svg" });
        await store.SaveChangesAsync(Cancelled);
        return transaction;
    }

    /// <summary>This database's connections that insert a product, as soon as there is one. The server has other databases too.</summary>
    private Task<List<long>> InsertsAsync() => Deadline.UntilAsync(
        async () =>
        {
            await using var store = servers.OpenStore();
            await store.Database.OpenConnectionAsync(Cancelled);
            var connection = (MySqlConnection)store.Database.GetDbConnection();
            await using var command = new MySqlCommand("SHOW FULL PROCESSLIST", connection);
            await using var reader = await command.ExecuteReaderAsync(Cancelled);
            var ids = new List<long>();
            while (await reader.ReadAsync(Cancelled))
            {
                if (reader["db"] as string == connection.Database && reader["Info"] is string text
                    && text.Contains("INSERT INTO `products`", StringComparison.Ordinal))
                {
                    ids.Add(Convert.ToInt64(reader["Id"], CultureInfo.InvariantCulture));
                }
            }

            return ids;
        },
        ids => ids.Count > 0, Cancelled);

    private async Task KillAsync(List<long> connections)
    {
        await using var store = servers.OpenStore();
        await store.Database.OpenConnectionAsync(Cancelled);
        foreach (var id in connections)
        {
            await using var command = new MySqlCommand(
                string.Create(CultureInfo.InvariantCulture, $"KILL {id}"), (MySqlConnection)store.Database.GetDbConnection());
            await command.ExecuteNonQueryAsync(Cancelled);
        }
    }

    private Task<Reply> CreateAsync(string more)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        return _api.PostAsync(
            "/api/ops/sales", _api.Operator,
            $$"""
              {"title":"Lamp","price":9.9,"units":3,"limit_per_user":2,
              "starts_at_ms":{{now - 1000}},"ends_at_ms":{{now + 600000}}{{more}}}
              """);
    }
}
