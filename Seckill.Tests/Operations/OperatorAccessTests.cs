namespace Seckill.Tests.Operations;

/// <summary>A caller without the operator role learns nothing and changes nothing.</summary>
[Collection(OperationsTests.Name)]
public sealed class OperatorAccessTests(OperationsFixture servers)
{
    [Fact]
    public async Task Operators_only()
    {
        await using var api = servers.StartApi();
        (HttpMethod Method, string Path)[] calls =
        [
            (HttpMethod.Get, "/api/ops/dead-letters"), (HttpMethod.Get, "/api/ops/dead-letters/x"), (HttpMethod.Get, "/api/ops/audit"),
            (HttpMethod.Get, "/api/ops/orders?q=7"), (HttpMethod.Get, "/api/ops/sales"), (HttpMethod.Post, "/api/ops/sales"),
            (HttpMethod.Put, "/api/ops/sales/1"), (HttpMethod.Post, "/api/ops/sales/1/pause"),
            (HttpMethod.Post, "/api/ops/sales/1/resume"), (HttpMethod.Post, "/api/ops/sales/1/stock"),
            (HttpMethod.Post, "/api/ops/dead-letters/x/replay"), (HttpMethod.Post, "/api/ops/dead-letters/replay-all"),
            (HttpMethod.Post, "/api/ops/dead-letters/x/abandon"),
        ];
        foreach (var (method, path) in calls)
        {
            Task<Reply> Ask(string? token) => method == HttpMethod.Get ? api.GetAsync(path, token)
                : method == HttpMethod.Put ? api.PutAsync(path, token, "{}")
                : api.PostAsync(path, token);
            Assert.Equal((401, "unauthorized"), await StatusOf(Ask(null)));
            Assert.Equal((403, "forbidden"), await StatusOf(Ask(api.Buyer(7))));
        }

        static async Task<(int, string)> StatusOf(Task<Reply> reply) => ((await reply).Status, (await reply).Error);
    }
}
