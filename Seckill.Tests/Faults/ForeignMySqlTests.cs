using Microsoft.Extensions.Diagnostics.HealthChecks;
using MySqlConnector;
using Seckill.Tests.Operations;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Faults;

/// <summary>A MySQL that was set up by others, with limited rights or other settings.</summary>
[Collection(nameof(WorkerServers))]
public sealed class ForeignMySqlTests(WorkerServers servers)
{
    private const string Awkward = """O'Brien's 20" \ 50\" \n\\""";
    private const string AwkwardJson = """{"size":"20\"","path":"c:\\temp\\","quote":"it's"}""";
    private const string Account = "rows_only";
    private const string Image = "/img/foreign.svg";

    /// <summary>Below the SKU ids of the shops.</summary>
    private const long SkuId = 4_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_worker_with_rights_on_rows_only_writes_orders_into_a_schema_that_is_there()
    {
        await using var shop = await Shop.OpenAsync(servers, 10, Token);
        await ExecuteAsync($"""
            CREATE USER IF NOT EXISTS '{Account}'@'%' IDENTIFIED BY '{Account}';
            GRANT SELECT, INSERT, UPDATE, DELETE ON seckill.* TO '{Account}'@'%'
            """);
        var mySql = new MySqlConnectionStringBuilder(servers.MySql.ConnectionString) { UserID = Account, Password = Account };
        await using var worker = await RunningWorker.StartAsync(
            servers, Token, new() { ["ConnectionStrings:mysql"] = mySql.ConnectionString });

        await worker.HealthAsync("migrated", HealthStatus.Healthy, Token);
        await shop.SettledAsync(await shop.SellAsync(1, 10, Token), Token);

        Assert.Equal(10, await shop.OrderCountAsync(Token));
    }

    [Fact]
    public async Task An_order_keeps_its_texts_where_a_backslash_is_no_escape()
    {
        await using var shop = await Shop.OpenAsync(servers, 10, Token);
        await WithoutEscapesAsync(async () =>
        {
            await ExecuteAsync($"""
                UPDATE product_skus SET title = {Hex(Awkward)}, attrs = {Hex(AwkwardJson)} WHERE id = {shop.Sku.SkuId}
                """);
            await using var worker = await RunningWorker.StartAsync(servers, Token);
            await shop.SettledAsync(await shop.SellAsync(1, 10, Token), Token);

            Assert.Equal(10, await shop.AskAsync<int>($"""
                SELECT COUNT(*) FROM order_items
                WHERE sku_id = @sku AND title = {Hex(Awkward)} AND attrs = {Hex(AwkwardJson)} AND JSON_VALID(attrs)
                """, Token));
        });
    }

    [Fact]
    public async Task A_sale_keeps_its_texts_where_a_backslash_is_no_escape()
    {
        await WithoutEscapesAsync(CreateSaleAsync);

        // Frees the generated product id: shops of other tests insert products with the next explicit ids.
        await ExecuteAsync($"""
            DELETE FROM seckill_sales WHERE sku_id = {SkuId};
            DELETE FROM product_skus WHERE id = {SkuId};
            DELETE FROM products WHERE image = '{Image}'
            """);

        async Task CreateSaleAsync()
        {
            await using var api = new ApiHost(
            [
                ("ConnectionStrings:redis", servers.Redis.ConnectionString + ",asyncTimeout=30000"),
                ("ConnectionStrings:rabbitmq", servers.RabbitMq.ConnectionString),
                ("ConnectionStrings:mysql", servers.MySql.ConnectionString),
            ]);
            var (starts, ends) = (DateTimeOffset.UtcNow.AddHours(1), DateTimeOffset.UtcNow.AddHours(2));
            var sale = System.Text.Json.JsonSerializer.Serialize(new
            {
                sku_id = SkuId,
                title = Awkward,
                description = AwkwardJson,
                image = Image,
                price = 1m,
                limit_per_user = 1,
                starts_at_ms = starts.ToUnixTimeMilliseconds(),
                ends_at_ms = ends.ToUnixTimeMilliseconds(),
                units = 1,
            });

            var reply = await api.PostAsync("/api/ops/sales", api.Operator, sale);

            Assert.True(reply.Status is 200 or 201, reply.Body.ToString());
            Assert.Equal(1, await CountAsync(
                $"SELECT COUNT(*) FROM products WHERE title = {Hex(Awkward)} AND description = {Hex(AwkwardJson)}"));
        }
    }

    private async Task WithoutEscapesAsync(Func<Task> testAsync)
    {
        await ExecuteAsync("SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',NO_BACKSLASH_ESCAPES')");
        try
        {
            await testAsync();
        }
        finally
        {
            await ExecuteAsync("SET GLOBAL sql_mode = REPLACE(@@GLOBAL.sql_mode, 'NO_BACKSLASH_ESCAPES', '')");
        }
    }

    private static string Hex(string text) => $"CONVERT(0x{Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(text))} USING utf8mb4)";

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsAdministratorAsync(Token);
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Token);
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsync(Token);
        await using var command = new MySqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync(Token))!;
    }
}
