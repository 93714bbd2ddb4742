using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Worker;

/// <summary>
/// An outage that ends after the worker's last try, and before it asks whether the server accepts other writes, is still an outage: no
/// order is parked for it. And no outage is reported after its end.
/// </summary>
[Collection(nameof(WorkerServers))]
public sealed class OutageEndTests(WorkerServers servers)
{
    /// <summary>More than the tries of an order.</summary>
    private const int Asked = 1_000_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Redis_that_is_back_when_it_is_asked_settles_the_orders()
    {
        await using var shop = await Shop.OpenAsync(servers, 50, Cancelled);
        var orders = await shop.SellAsync(1, 50, Cancelled);
        // The question itself ends the outage.
        await servers.RedisConnection.GetDatabase().KeyDeleteAsync("seckill:probe:0");
        var scripts = LedgerScripts.Load();
        var settle = new LedgerScript(
            "if redis.call('exists', 'seckill:probe:0') == 0 then return redis.error_reply('NOREPLICAS away') end\n" + scripts.Settle.Text);
        await using var worker = await RunningWorker.StartAsync(
            servers, Cancelled, replace: services => services.AddSingleton(
                provider => new StockLedger(provider.GetRequiredService<IConnectionMultiplexer>(), scripts with { Settle = settle })));

        await shop.SettledAsync(orders, Cancelled);

        await AssertNothingIsParkedAsync(worker);
        Assert.True(await servers.RedisConnection.GetDatabase().KeyExistsAsync("seckill:probe:0"));
    }

    [Fact]
    public async Task MySQL_that_is_back_when_it_is_asked_stores_the_order()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        var orders = await shop.SellAsync(1, 1, Cancelled);
        // The question itself, which inserts an order with a negative id, ends the outage. It is rolled back, but not the next number.
        await RunAsync("CREATE TABLE asked (id INT PRIMARY KEY AUTO_INCREMENT)");
        await RunAsync($"""
            CREATE TRIGGER away BEFORE INSERT ON orders FOR EACH ROW
            IF NEW.id < 0 THEN INSERT INTO asked VALUES ({Asked});
            ELSE
                INSERT INTO asked VALUES (NULL);
                IF LAST_INSERT_ID() < {Asked} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'away'; END IF;
            END IF
            """);
        try
        {
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);

            await shop.SettledAsync(orders, Cancelled);

            await AssertNothingIsParkedAsync(worker);
            Assert.InRange(await shop.AskAsync<int>("SELECT MAX(id) FROM asked", Cancelled), Asked, int.MaxValue);
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS away");
            await RunAsync("DROP TABLE asked");
        }
    }

    [Fact]
    public async Task An_outage_that_ends_after_its_session_is_over_although_no_order_follows()
    {
        await using var shop = await Shop.OpenAsync(servers, 1, Cancelled);
        await shop.SellAsync(1, 1, Cancelled);
        await RunAsync("CREATE TRIGGER away BEFORE INSERT ON orders FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'away'");
        try
        {
            using var log = new LogLines();
            await using var worker = await RunningWorker.StartAsync(
                servers, Cancelled, replace: services => services.AddSingleton<ILoggerProvider>(log));
            // The check is unhealthy before the worker has begun, too.
            await log.UntilAsync("MySQL accepts no orders", Cancelled);
            await worker.HealthAsync("writing", HealthStatus.Unhealthy, Cancelled);
            // The session ends, and its order is gone.
            await shop.DeleteQueueAsync(Cancelled);
            await log.UntilAsync("A session has ended", Cancelled);
            await RunAsync("DROP TRIGGER away");

            await worker.ConsumingAsync(Cancelled);
            await worker.HealthAsync("writing", HealthStatus.Healthy, Cancelled);
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS away");
        }
    }

    private static async Task AssertNothingIsParkedAsync(RunningWorker worker)
    {
        var writing = await Deadline.UntilAsync(
            () => worker.EntryAsync("writing", Cancelled), entry => entry.Status != HealthStatus.Unhealthy, Cancelled);
        Assert.Equal((HealthStatus.Healthy, null), (writing.Status, writing.Description));
    }

    private async Task RunAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsAdministratorAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancelled);
    }
}
