using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Worker;

/// <summary>
/// An order that MySQL or Redis refuses while accepting others delays no other order; it waits where operators see it and is written
/// once it can be.
/// </summary>
[Collection(nameof(WorkerServers))]
public sealed class ParkedOrderTests(WorkerServers servers)
{
    private const int SoonMs = 60_000;
    private const int OrderCount = 200;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_trigger_that_refuses_one_buyer_keeps_nobody_else_back()
    {
        const int Refused = 77_001;
        await using var shop = await Shop.OpenAsync(servers, OrderCount + 1, Cancelled);
        var refused = await shop.SellAsync(Refused, 1, Cancelled);
        var others = await shop.SellAsync(1_001, OrderCount, Cancelled);
        await RunAsync($"""
            CREATE TRIGGER refuse_one BEFORE INSERT ON orders FOR EACH ROW
            IF NEW.user_id = {Refused} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF
            """);
        try
        {
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await shop.SettledAsync(others, Cancelled, SoonMs);
            await worker.HealthAsync("writing", HealthStatus.Degraded, Cancelled);
            Assert.Contains("not this one", (await worker.EntryAsync("writing", Cancelled)).Description, StringComparison.Ordinal);

            await RunAsync("DROP TRIGGER refuse_one");
            await shop.SettledAsync(refused, Cancelled, SoonMs);
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS refuse_one");
        }

        Assert.Equal(OrderCount + 1, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task A_trigger_that_refuses_a_whole_SKU_keeps_no_other_back()
    {
        await using var refused = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await using var free = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var bad = await refused.SellAsync(1_001, OrderCount / 2, Cancelled);
        var good = await free.SellAsync(2_001, OrderCount / 2, Cancelled);
        bad.AddRange(await refused.SellAsync(3_001, OrderCount / 2, Cancelled));
        good.AddRange(await free.SellAsync(4_001, OrderCount / 2, Cancelled));
        await RunAsync($"""
            CREATE TRIGGER refuse_all BEFORE INSERT ON order_items FOR EACH ROW
            IF NEW.sku_id = {refused.Sku.SkuId} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'none of these'; END IF
            """);
        try
        {
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await free.SettledAsync(good, Cancelled, SoonMs);
            Assert.Equal(0, await refused.OrderCountAsync(Cancelled));

            await RunAsync("DROP TRIGGER refuse_all");
            await refused.SettledAsync(bad, Cancelled, SoonMs);
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS refuse_all");
        }

        Assert.Equal(0u, await refused.DeadLetterCountAsync(Cancelled));
        await refused.AssertConservedAsync(Cancelled);
        await free.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task A_locked_row_keeps_the_orders_of_no_other_SKU_back()
    {
        await using var locked = await Shop.OpenAsync(servers, 10, Cancelled);
        await using var free = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
        await worker.ConsumingAsync(Cancelled);
        var waiting = new List<OrderMessage>();
        await using (var locking = await servers.OpenMySqlAsync(Cancelled))
        {
            await using var transaction = await locking.BeginTransactionAsync(Cancelled);
            await using var command = new MySqlCommand(
                $"SELECT id FROM product_skus WHERE id = {locked.Sku.SkuId} FOR UPDATE", locking, transaction);
            await command.ExecuteScalarAsync(Cancelled);
            for (var i = 0; i < 5; i++)
            {
                // All of these while the row is locked.
                waiting.AddRange(await locked.SellAsync(100 + i, 1, Cancelled));
                await free.SettledAsync(
                    await free.SellAsync(1_001 + (i * OrderCount / 5), OrderCount / 5, Cancelled), Cancelled, SoonMs);
            }

            Assert.Equal(0, await locked.OrderCountAsync(Cancelled));
            await worker.HealthAsync("writing", HealthStatus.Degraded, Cancelled);
        }

        await locked.SettledAsync(waiting, Cancelled);
        await locked.AssertConservedAsync(Cancelled);
        await free.AssertConservedAsync(Cancelled);
        Assert.Equal(0u, await free.DeadLetterCountAsync(Cancelled));
    }

    [Fact]
    public async Task A_key_of_another_type_keeps_the_orders_of_no_other_SKU_back()
    {
        await using var spoilt = await Shop.OpenAsync(servers, 50, Cancelled);
        await using var good = await Shop.OpenAsync(servers, 10 * OrderCount, Cancelled);
        var spoiltOrders = await spoilt.SellAsync(1, 50, Cancelled);
        var orders = await good.SellAsync(1_001, 10 * OrderCount, Cancelled);
        await servers.RedisConnection.GetDatabase().StringSetAsync(spoilt.Sku.Outbox, "no sorted set");

        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
        await good.SettledAsync(orders, Cancelled, SoonMs);
        await Deadline.UntilAsync(() => spoilt.OrderCountAsync(Cancelled), count => count == spoiltOrders.Count, Cancelled, SoonMs);
        // They are acked as well: nothing is redelivered when the worker stops.
        await worker.StopAsync(Cancelled);
        Assert.Equal(0u, await good.QueuedCountAsync(Cancelled));
        await good.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task A_small_packet_and_large_attributes_go_together()
    {
        const int Count = 1_500;
        var before = await AskAsync("SELECT @@GLOBAL.max_allowed_packet");
        await RunAsync("SET GLOBAL max_allowed_packet = 1048576");
        try
        {
            MySqlConnection.ClearAllPools();
            await using var shop = await Shop.OpenAsync(servers, Count, Cancelled);
            await RunAsync($"UPDATE product_skus SET attrs = RPAD('', 2000, 'a') WHERE id = {shop.Sku.SkuId}");
            var orders = await shop.SellAsync(1, Count, Cancelled);
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await shop.SettledAsync(orders, Cancelled, SoonMs);
            Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        }
        finally
        {
            await RunAsync($"SET GLOBAL max_allowed_packet = {before}");
            MySqlConnection.ClearAllPools();
        }
    }

    [Fact]
    public async Task An_order_that_no_id_can_be_made_for_keeps_nobody_else_back()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount + 1, Cancelled);
        await RunAsync("UPDATE snowflake_nodes SET owner = 'others', leased_until = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR");
        try
        {
            await shop.PublishAsync(
                $$"""{"user_id":9,"sku_id":{{shop.Sku.SkuId}},"quantity":1}""", Cancelled,
                new BasicProperties { MessageId = "numberless" });
            var orders = await shop.SellAsync(1_001, OrderCount, Cancelled);
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await shop.SettledAsync(orders, Cancelled, SoonMs);
            Assert.Equal(OrderCount, await shop.OrderCountAsync(Cancelled));

            await RunAsync("UPDATE snowflake_nodes SET owner = '', leased_until = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR WHERE node > 900");
            await Deadline.UntilAsync(() => shop.OrderCountAsync(Cancelled), count => count == OrderCount + 1, Cancelled);
        }
        finally
        {
            await RunAsync("UPDATE snowflake_nodes SET owner = '', leased_until = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR");
        }
    }

    [Fact]
    public async Task A_Redis_that_takes_no_writes_at_all_is_an_outage_in_which_nothing_is_parked()
    {
        await using var shop = await Shop.OpenAsync(servers, 50, Cancelled);
        var orders = await shop.SellAsync(1, 50, Cancelled);
        var redis = servers.RedisConnection.GetServers()[0];
        await redis.ConfigResetStatisticsAsync();
        await redis.ConfigSetAsync("min-replicas-to-write", 1);
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
        try
        {
            // More than its tries before it checks whether Redis accepts writes, plus the check.
            await Deadline.UntilAsync(() => RefusalsOfAsync(redis), count => count > 20, Cancelled);
            await worker.HealthAsync("writing", HealthStatus.Unhealthy, Cancelled);
        }
        finally
        {
            await redis.ConfigSetAsync("min-replicas-to-write", 0);
        }

        await shop.SettledAsync(orders, Cancelled);
        var health = await Deadline.UntilAsync(
            () => worker.EntryAsync("writing", Cancelled), entry => entry.Status != HealthStatus.Unhealthy, Cancelled);
        Assert.Equal(HealthStatus.Healthy, health.Status);
    }

    [Fact]
    public async Task A_shard_that_is_frozen_keeps_the_orders_of_no_other_shard_back()
    {
        await using var cluster = await RedisCluster.StartAsync(Cancelled);
        await using var redis = await ConnectionMultiplexer.ConnectAsync(cluster.ConnectionString);
        var (there, away) = await OnTwoShardsAsync(redis);
        await using (there)
        await using (away)
        {
            var node = cluster.Masters.Single(master => master.Port == PortOf(redis, away.Sku));
            var frozenOrders = await away.SellAsync(1, 20, Cancelled);
            var orders = await there.SellAsync(1_001, OrderCount, Cancelled);
            await using var worker = await RunningWorker.StartAsync(
                servers, Cancelled, new()
                {
                    ["ConnectionStrings:redis"] = cluster.ConnectionString,
                    ["Worker:PrefetchCountMax"] = "20",
                    ["Worker:BatchSizeMax"] = "10",
                });
            node.Pause();
            try
            {
                await there.SettledAsync(orders, Cancelled, SoonMs);
                await there.SettledAsync(await there.SellAsync(2_001, OrderCount, Cancelled), Cancelled, SoonMs);
            }
            finally
            {
                node.Continue();
            }

            await away.SettledAsync(frozenOrders, Cancelled);
            Assert.Equal(0u, await away.DeadLetterCountAsync(Cancelled));
        }
    }

    private static async Task<int> RefusalsOfAsync(IServer redis)
    {
        var errors = (await redis.InfoAsync("errorstats")).SelectMany(section => section)
            .FirstOrDefault(entry => entry.Key.EndsWith("NOREPLICAS", StringComparison.Ordinal));
        return errors.Value is { } text ? int.Parse(text["count=".Length..], CultureInfo.InvariantCulture) : 0;
    }

    /// <summary>Two sales on two different masters.</summary>
    private async Task<(Shop First, Shop Second)> OnTwoShardsAsync(IConnectionMultiplexer redis)
    {
        var first = await Shop.OpenAsync(servers, 10 * OrderCount, Cancelled, redis: redis);
        while (true)
        {
            var second = await Shop.OpenAsync(servers, 10 * OrderCount, Cancelled, redis: redis);
            if (PortOf(redis, second.Sku) != PortOf(redis, first.Sku))
            {
                return (first, second);
            }

            await second.DisposeAsync();
        }
    }

    private static int PortOf(IConnectionMultiplexer redis, SkuKeys sku) =>
        ((System.Net.IPEndPoint)redis.GetServers()[0].ClusterConfiguration!.GetBySlot(sku.Stock)!.EndPoint!).Port;

    private async Task RunAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsAdministratorAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancelled);
    }

    private async Task<long> AskAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(Cancelled), CultureInfo.InvariantCulture);
    }
}
