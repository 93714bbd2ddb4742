using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

/// <summary>
/// A Redis that refuses scripts for a while is distinguished from bad data by its real messages, and leaves nothing half done.
/// </summary>
public sealed class RefusalTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private readonly SkuOnTrial _sku = new(redis);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_memory_nothing_is_sold_and_verdicts_are_told()
    {
        await _sku.WarmAsync(10);
        var order = await _sku.ReserveAsync(1);
        await _sku.Database.ExecuteAsync("CONFIG", "SET", "maxmemory", "1");
        try
        {
            AssertRefused("OOM", await Record.ExceptionAsync(() => _sku.ReserveAsync(2)));
            AssertRefused("OOM", await Record.ExceptionAsync(() => _sku.Recovery.CloseAsync(_sku.Keys, Cancelled)));
            Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order.OrderId, false, "no")));
        }
        finally
        {
            await _sku.Database.ExecuteAsync("CONFIG", "SET", "maxmemory", "0");
        }

        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(2)).Code);
        Assert.Equal((9L, 1L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task Without_replicas_nothing_is_sold_or_told_and_nothing_is_half_done()
    {
        await _sku.WarmAsync(10);
        var order = await _sku.ReserveAsync(1);
        await _sku.Database.ExecuteAsync("CONFIG", "SET", "min-replicas-to-write", "1");
        try
        {
            AssertRefused("NOREPLICAS", await Record.ExceptionAsync(() => _sku.ReserveAsync(2)));
            AssertRefused(
                "NOREPLICAS", await Record.ExceptionAsync(() => _sku.SettleAsync(SkuOnTrial.Verdict(order.OrderId, false, "no"))));
            Assert.Equal([order.OrderId], (await _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled)).UnsettledIds);
        }
        finally
        {
            await _sku.Database.ExecuteAsync("CONFIG", "SET", "min-replicas-to-write", "0");
        }

        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order.OrderId, false, "no")));
        Assert.Equal((10L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Fact]
    public async Task A_server_that_is_busy_with_a_script_is_no_fault_of_the_data()
    {
        await _sku.WarmAsync(10);
        await using var other = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        await _sku.Database.ExecuteAsync("CONFIG", "SET", "lua-time-limit", "1");
        var endless = other.GetDatabase().ScriptEvaluateAsync("while true do end");
        try
        {
            await Deadline.UntilAsync(
                async () => await Record.ExceptionAsync(() => _sku.ReserveAsync(1)), exception => exception is RedisServerException,
                Cancelled);
            AssertRefused("BUSY", await Record.ExceptionAsync(() => _sku.ReserveAsync(1)));
        }
        finally
        {
            await _sku.Database.ExecuteAsync("SCRIPT", "KILL");
            await Record.ExceptionAsync(() => endless);
        }
    }

    /// <param name="key">The SKU's key, by the last part of its name.</param>
    /// <param name="value">A string to put there, or a hash field and its value.</param>
    [Theory]
    [InlineData("orders", "no hash")]
    [InlineData("sale", "limit=none")]
    [InlineData("sale", "held=none")]
    public async Task Foreign_data_under_a_key_is_a_fault_of_the_data(string key, string value)
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(1);
        RedisKey name = $"{{{_sku.Keys.Stock}}}:{key}";
        if (value.Split('=') is [var field, var text])
        {
            await _sku.Database.HashSetAsync(name, field, text);
        }
        else
        {
            await _sku.Database.KeyDeleteAsync(name);
            await _sku.Database.StringSetAsync(name, value);
        }

        var exception = await Assert.ThrowsAsync<RedisServerException>(() => _sku.ReserveAsync(2));
        Assert.True(RedisRefusals.IsAboutStoredData(exception), exception.Message);
    }

    [Fact]
    public async Task A_counter_that_is_no_number_is_a_fault_of_the_data()
    {
        await _sku.WarmAsync(10);
        var order = await _sku.ReserveAsync(1);
        await _sku.Database.StringSetAsync(_sku.Keys.Stock, "many");

        var exception = await Assert.ThrowsAsync<RedisServerException>(
            () => _sku.SettleAsync(SkuOnTrial.Verdict(order.OrderId, false, "no")));

        Assert.True(RedisRefusals.IsAboutStoredData(exception), exception.Message);
    }

    [Fact]
    public async Task A_slot_that_moves_is_no_fault_of_the_data()
    {
        await using var cluster = await RedisCluster.StartAsync(Cancelled);
        await using var connection = await ConnectionMultiplexer.ConnectAsync(cluster.ConnectionString);
        var (ledger, sku) = (new StockLedger(connection), new SkuKeys(1));
        await ledger.WarmAsync(sku, 10, default, LoadId.NewToken(), SkuOnTrial.Terms(), [], Cancelled);
        var slot = connection.HashSlot(sku.Stock);
        var source = connection.GetServer(await connection.GetDatabase().IdentifyEndpointAsync(sku.Stock)!);
        var target = connection.GetServers().First(server => !server.EndPoint.Equals(source.EndPoint));
        var (sourceId, targetId) = (await IdAsync(source), await IdAsync(target));
        await target.ExecuteAsync("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId);
        await source.ExecuteAsync("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId);

        // Some of the SKU's keys are missing, and it is unknown whether they have already moved.
        AssertRefused("TRYAGAIN", await Record.ExceptionAsync(ReserveAsync));

        await source.ExecuteAsync("CLUSTER", "SETSLOT", slot, "STABLE");
        Assert.Equal(ReserveCode.Accepted, Assert.Single((await ReserveAsync()).Results).Code);

        Task<ReserveReply> ReserveAsync() =>
            ledger.ReserveAsync(sku, [new ReserveRequest(SkuOnTrial.NextOrder(), 1, 1, null, null)], Cancelled);

        static async Task<string> IdAsync(IServer server) => (string)(await server.ExecuteAsync("CLUSTER", "MYID"))!;
    }

    private static void AssertRefused(string error, Exception? exception)
    {
        var refused = Assert.IsType<RedisServerException>(exception);
        Assert.StartsWith(error, refused.Message, StringComparison.Ordinal);
        Assert.False(RedisRefusals.IsAboutStoredData(refused));
    }
}
