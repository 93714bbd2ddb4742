using System.Net;

namespace Seckill.Tests.Faults;

/// <summary>The Redis in use dies, and Sentinel promotes its replica.</summary>
public sealed class SentinelFailOverTests(SharedServers servers)
{
    private const long SkuId = 900_001;
    private const int TimeoutMs = 120_000;

    [Fact]
    public async Task Selling_goes_on()
    {
        var token = TestContext.Current.CancellationToken;
        await using var redis = await RedisSentinel.StartAsync(token);
        await redis.StartSentinelAsync(token);
        await using var system = await servers.StartAsync(SharedServers.Sentinel, SystemUnderTest.Options(), token);
        var behind = ("ConnectionStrings__redis", redis.ConnectionString);
        await system.StartWorkerAsync(token, settings: behind);
        await system.StartApiAsync(token, settings: behind);
        await system.AddSaleAsync(SkuId, units: 10, limitPerUser: 10, token);
        using var client = system.Client();
        await client.WaitUntilOnSaleAsync(SkuId, token);
        var buyer = await client.LogInAsync(1, token);
        await Deadline.UntilAsync(
            () => client.BuyAsync(buyer, SkuId, token, clientOrderNo: "before"), answer => answer.Status == HttpStatusCode.OK, token,
            TimeoutMs);
        Assert.Equal("SUCCESS", (await client.OutcomeAsync(buyer, SkuId, token, "before")).Text("status"));

        redis.Master.Kill();
        await Deadline.UntilAsync(
            () => client.BuyAsync(buyer, SkuId, token, clientOrderNo: "after"), answer => answer.Status == HttpStatusCode.OK, token,
            TimeoutMs);

        Assert.Equal("SUCCESS", (await client.OutcomeAsync(buyer, SkuId, token, "after")).Text("status"));
    }
}
