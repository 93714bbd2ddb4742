using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>A job of all instances is not held by one that lacks a server for it.</summary>
[Collection(OperationsTests.Name)]
public sealed class LeaseTests(OperationsFixture servers, SharedServers shared) : IAsyncDisposable
{
    private const int ClosedPort = 1;

    /// <summary>Turns are frequent, and a lease that is not released outlasts the test.</summary>
    private static readonly (string Name, string Value)[] Settings =
    [
        ("Reconciliation:EveryMs", "200"), ("Reconciliation:LeaseMs", "600000"), ("Reconciliation:StuckAfterMs", "1000"),
        ("Publish:SweepEveryMs", "200"), ("Publish:SweepLeaseMs", "600000"), ("Catalogue:DrainWaitMsMax", "0"),
    ];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>A stop that Redis does not answer in time leaves a lease, which would keep the next tests' instances idle.</summary>
    public async ValueTask DisposeAsync() => await servers.Redis.KeyDeleteAsync(["seckill:reconciler", "seckill:outbox:sweeper"]);

    [Fact]
    public async Task An_instance_that_has_lost_MySQL_leaves_reconciling_to_another()
    {
        await servers.PurgeAsync();
        var direct = DirectMySql();
        await using var address = new TcpSwitch((int)direct.Port);
        var through = new MySqlConnectionStringBuilder(direct.ConnectionString) { Port = (uint)address.Port };
        await using var holder = servers.StartApi([.. Settings, ("ConnectionStrings:mysql", through.ConnectionString)]);
        await UntilReconcilingAsync();
        await using var other = servers.StartApi(Settings);
        var sku = new SkuKeys(await servers.PutOnSaleAsync(other));
        // A turn without any sale would not need MySQL.
        await servers.WaitUntilLoadedAsync(holder, sku.SkuId);
        address.RedirectTo(ClosedPort);
        address.Cut();
        try
        {
            await AddWrittenOrderAsync(other, sku);

            await UntilSettledAsync(sku);
        }
        finally
        {
            address.RedirectTo((int)direct.Port);
        }
    }

    [Fact]
    public async Task An_instance_that_has_never_read_the_sales_takes_no_job()
    {
        await servers.PurgeAsync();
        var nowhere = new MySqlConnectionStringBuilder(DirectMySql().ConnectionString) { Port = ClosedPort, ConnectionTimeout = 1 };
        await using var idle = servers.StartApi([.. Settings, ("ConnectionStrings:mysql", nowhere.ConnectionString)]);
        await using var other = servers.StartApi(Settings);
        var sku = new SkuKeys(await servers.PutOnSaleAsync(other));
        await AddWrittenOrderAsync(other, sku);
        await UntilSettledAsync(sku);

        var unpublished = await ReserveAsync(other, sku, userId: 2);
        await other.Get<StockRecovery>().UnconfirmAsync(sku, [unpublished], Cancelled);

        await Deadline.UntilAsync(
            () => other.Get<StockLedger>().ConfirmedAtMsAsync(sku, unpublished, Cancelled), at => at is not null, Cancelled);
    }

    [Fact]
    public async Task An_instance_without_the_broker_leaves_lost_orders_to_another()
    {
        await servers.PurgeAsync();
        await using var holder = servers.StartApi([.. Settings, ("ConnectionStrings:rabbitmq", $"amqp://127.0.0.1:{ClosedPort}")]);
        await UntilReconcilingAsync();
        await using var other = servers.StartApi(Settings);
        await using var worker = servers.StartWorker();
        var sku = new SkuKeys(await servers.PutOnSaleAsync(other));
        await servers.WaitUntilLoadedAsync(holder, sku.SkuId);

        var lost = await ReserveAsync(other, sku, userId: 1);

        await UntilSettledAsync(sku);
        await using var store = servers.OpenStore();
        Assert.True(await store.Orders.AnyAsync(order => order.Id == lost, Cancelled));
    }

    [Fact]
    public async Task An_instance_without_the_broker_leaves_sweeping_to_another()
    {
        await servers.PurgeAsync();
        await using var address = new TcpSwitch(servers.RabbitMq.Port);
        var through = new UriBuilder(servers.RabbitMq) { Port = address.Port };
        await using var holder = servers.StartApi([.. Settings, ("ConnectionStrings:rabbitmq", through.Uri.AbsoluteUri)]);
        await Deadline.UntilAsync(() => servers.Redis.KeyExistsAsync("seckill:outbox:sweeper"), held => held, Cancelled);
        await using var other = servers.StartApi(Settings);
        var sku = new SkuKeys(await servers.PutOnSaleAsync(other));
        address.RedirectTo(ClosedPort);
        address.Cut();

        var unpublished = await ReserveAsync(other, sku, userId: 1);
        await other.Get<StockRecovery>().UnconfirmAsync(sku, [unpublished], Cancelled);

        await Deadline.UntilAsync(
            () => other.Get<StockLedger>().ConfirmedAtMsAsync(sku, unpublished, Cancelled), at => at is not null, Cancelled);
    }

    [Fact]
    public async Task An_instance_whose_account_may_not_publish_leaves_sweeping_to_another()
    {
        const string Account = "reader";
        const string Password = "only-reads";
        await servers.PurgeAsync();
        var broker = await shared.RabbitMqAsync();
        await broker.ControlAsync(Cancelled, "add_user", Account, Password);
        try
        {
            // It may declare and bind everything, so the connection is there; each publish is refused.
            await broker.ControlAsync(
                Cancelled, "set_permissions", "-p", servers.RabbitMq.AbsolutePath[1..], Account, ".*",
                $"^(?!{Regex.Escape(OrderTopology.Exchange)}$)", ".*");
            var limited = new UriBuilder(servers.RabbitMq) { UserName = Account, Password = Password };
            await using var holder = servers.StartApi([.. Settings, ("ConnectionStrings:rabbitmq", limited.Uri.AbsoluteUri)]);
            await Deadline.UntilAsync(() => servers.Redis.KeyExistsAsync("seckill:outbox:sweeper"), held => held, Cancelled);
            await using var other = servers.StartApi(Settings);
            var sku = new SkuKeys(await servers.PutOnSaleAsync(other));
            await servers.WaitUntilLoadedAsync(holder, sku.SkuId);

            var unpublished = await ReserveAsync(other, sku, userId: 1);
            await other.Get<StockRecovery>().UnconfirmAsync(sku, [unpublished], Cancelled);

            await Deadline.UntilAsync(
                () => other.Get<StockLedger>().ConfirmedAtMsAsync(sku, unpublished, Cancelled), at => at is not null, Cancelled);
        }
        finally
        {
            await broker.ControlAsync(CancellationToken.None, "delete_user", Account);
        }

        Assert.True(broker.Runs);
    }

    private MySqlConnectionStringBuilder DirectMySql()
    {
        using var store = servers.OpenStore();
        return new MySqlConnectionStringBuilder(store.Database.GetConnectionString()!);
    }

    private Task<bool> UntilReconcilingAsync() =>
        Deadline.UntilAsync(() => servers.Redis.KeyExistsAsync("seckill:reconciler"), held => held, Cancelled);

    private Task<long> UntilSettledAsync(SkuKeys sku) =>
        Deadline.UntilAsync(() => servers.Redis.SortedSetLengthAsync(sku.Outbox), unsettled => unsettled == 0, Cancelled);

    /// <summary>Reserves one unit; the broker has confirmed the order an hour ago, and has lost it.</summary>
    private static async Task<long> ReserveAsync(ApiHost api, SkuKeys sku, long userId)
    {
        // With an id of long ago.
        var orderId = (sku.SkuId * 1_000_000) + userId;
        var ledger = api.Get<StockLedger>();
        var reply = await ledger.ReserveAsync(sku, [new ReserveRequest(orderId, userId, 1, null, null)], Cancelled);
        Assert.Equal(ReserveCode.Accepted, Assert.Single(reply.Results).Code);
        await ledger.ConfirmAsync(sku, [orderId], DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds(), Cancelled);
        return orderId;
    }

    /// <summary>An order that a worker has written, and not settled.</summary>
    private async Task AddWrittenOrderAsync(ApiHost api, SkuKeys sku)
    {
        const int user = 1;
        await using var store = servers.OpenStore();
        await StoredOrders.AddOneAsync(store, sku.SkuId, (sku.SkuId * 1_000_000) + user, user);
        await store.ProductSkus.Where(row => row.Id == sku.SkuId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.Stock, row => row.Stock - 1), Cancelled);
        await ReserveAsync(api, sku, user);
    }
}
