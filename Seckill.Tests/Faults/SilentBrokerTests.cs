using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.Tests.Operations;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Faults;

/// <summary>A broker that accepts connections and then never answers.</summary>
[Collection(nameof(WorkerServers))]
public sealed class SilentBrokerTests(WorkerServers servers)
{
    /// <summary>After this many connections the worker and its health check have both retried, unless one waits for ever.</summary>
    private const int Knocks = 4;

    /// <summary>One try takes 5 s at most, and on a busy machine it may take several; without that bound it would take for ever.</summary>
    private const int FlowsWithinMs = 60_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_worker_that_has_come_to_it_goes_on_to_another()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using var address = new TcpSwitch(((IPEndPoint)silent.LocalEndpoint).Port);
        await using var shop = await Shop.OpenAsync(servers, 10, _cancellation);
        await using var worker = await RunningWorker.StartAsync(servers, _cancellation, new()
        {
            ["ConnectionStrings:rabbitmq"] =
                new UriBuilder(servers.RabbitMq.ConnectionString) { Port = address.Port }.Uri.AbsoluteUri.TrimEnd('/'),
        });
        await worker.HealthAsync("migrated", HealthStatus.Healthy, _cancellation);
        var knocks = address.AcceptedCount;
        await Deadline.UntilAsync(
            () => Task.FromResult(address.AcceptedCount), count => count >= knocks + Knocks, _cancellation);

        address.RedirectTo(servers.RabbitMq.Port);
        var messages = await shop.SellAsync(1, 10, _cancellation);

        await shop.SettledAsync(messages, _cancellation, FlowsWithinMs);
    }
}

/// <summary>The same for the gate's publisher.</summary>
[Collection(OperationsTests.Name)]
public sealed class SilentPublishingTests(OperationsFixture servers)
{
    /// <summary>The gate waits a second for a confirm here; the client takes half a minute to close a silent connection.</summary>
    private const int FlowsWithinMs = 25_000;

    [Fact]
    public async Task An_order_is_not_kept_back_by_closing_a_connection_that_has_gone_silent()
    {
        await servers.PurgeAsync();
        await using var address = new TcpSwitch(servers.RabbitMq.Port);
        await using var worker = servers.StartWorker();
        await using var api = servers.StartApi(
            ("ConnectionStrings:rabbitmq", new UriBuilder(servers.RabbitMq) { Port = address.Port }.Uri.AbsoluteUri),
            ("Publish:ChannelsMax", "1"), ("Publish:ConfirmTimeoutMs", "1000"), ("Publish:SweepGraceMs", "2000"));
        var sku = await servers.PutOnSaleAsync(api);
        Assert.Equal(200, (await api.BuyAsync(1, sku)).Status);
        await WrittenAsync(api, 1, sku, Deadline.TimeoutMs);

        address.Freeze();
        var started = Stopwatch.GetTimestamp();
        Assert.Equal(200, (await api.BuyAsync(2, sku)).Status);

        await WrittenAsync(api, 2, sku, FlowsWithinMs - (int)Stopwatch.GetElapsedTime(started).TotalMilliseconds);
    }

    private static Task<string> WrittenAsync(ApiHost api, long userId, long skuId, int timeoutMs) => Deadline.UntilAsync(
        async () => (await api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", api.Buyer(userId))).Text("status"),
        status => status == "SUCCESS", TestContext.Current.CancellationToken, timeoutMs);
}
