namespace Seckill.Tests.Operations;

/// <summary>An Api that has not read the sales does not answer as if there were none.</summary>
[Collection(OperationsTests.Name)]
public sealed class UnreadSalesTests(OperationsFixture servers)
{
    [Fact]
    public async Task An_Api_that_started_without_MySQL_says_that_it_is_warming_up()
    {
        await using var api = servers.StartApi(
            ("ConnectionStrings:mysql", "Server=127.0.0.1;Port=1;User ID=seckill;Password=x;Database=seckill;Connection Timeout=1"));
        api.WaitsUntilReady = false;

        Assert.All(
            await Task.WhenAll(
                api.GetAsync("/api/products"),
                api.GetAsync("/api/orders", api.Buyer(7)),
                api.BuyAsync(7, 5_001),
                api.GetAsync("/api/ops/orders?q=7", api.Operator),
                api.GetAsync("/api/ops/reconciliation", api.Operator),
                api.PostAsync("/api/ops/reconciliation/repair?apply=true", api.Operator)),
            reply => Assert.Equal((503, "warming up"), (reply.Status, reply.Error)));
    }
}
