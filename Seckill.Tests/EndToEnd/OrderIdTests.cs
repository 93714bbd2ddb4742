using System.Globalization;
using System.Net;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.EndToEnd;

/// <summary>Order ids when two instances use the same Snowflake node.</summary>
[Collection(nameof(RunningSystem))]
public sealed class OrderIdTests(RunningSystem running)
{
    private const long Sku = 20_201;
    private const int Buyers = 30;

    /// <summary>How far ahead another instance has made ids, ms.</summary>
    private const int AheadMs = 5_000;

    private readonly LocalSystem _system = running.System;
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_id_that_another_instance_has_made_is_nobody_elses_and_each_buyer_gets_an_order()
    {
        await _system.AddSaleAsync(Sku, units: 100, limitPerUser: 1, _cancellation);
        using var client = _system.Client();
        await client.WaitUntilOnSaleAsync(Sku, _cancellation);
        var tokens = new List<string>();
        for (var i = 0; i <= Buyers; i++)
        {
            tokens.Add(await client.LogInAsync(20_201_000 + i, _cancellation));
        }

        var probe = long.Parse((await client.BuyAsync(tokens[^1], Sku, _cancellation)).Text("order_id")!, CultureInfo.InvariantCulture);
        var database = _system.RedisConnection.GetDatabase();
        var orders = new SkuKeys(Sku).Orders;
        // The first id of every second millisecond is taken, so that many of the next clicks collide once, but none collides every time.
        var node = (probe >> 12) & SnowflakeSequence.NodeMax;
        var from = (DateTimeOffset.UtcNow - SnowflakeSequence.TimeOf(0)).TotalMilliseconds;
        var taken = Enumerable.Range(0, AheadMs / 2).Select(i => (((long)from + (2 * i)) << 22) | (node << 12)).ToArray();
        await database.HashSetAsync(orders, [.. taken.Select(id => new HashEntry(id, "P|1|1|1|1||"))]);

        var answers = new List<ApiAnswer>();
        foreach (var token in tokens.Take(Buyers))
        {
            answers.Add(await Deadline.UntilAsync(
                () => client.BuyAsync(token, Sku, _cancellation, clientOrderNo: "one"), answer => answer.Status == HttpStatusCode.OK,
                _cancellation));
        }

        foreach (var (token, answer) in tokens.Zip(answers))
        {
            var outcome = await client.OutcomeAsync(token, Sku, _cancellation);
            Assert.Equal(("SUCCESS", answer.Text("order_id")), (outcome.Text("status"), outcome.Text("order_id")));
        }

        Assert.Equal(Buyers, answers.Select(answer => answer.Text("order_id")).Distinct().Count());
        Assert.All(
            await database.HashGetAsync(orders, [.. taken.Select(id => (RedisValue)id)]), record => Assert.Equal("P|1|1|1|1||", record));
        await database.HashDeleteAsync(orders, [.. taken.Select(id => (RedisValue)id)]);
    }
}
