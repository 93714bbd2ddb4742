using System.Data;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Seckill.Api.Catalogue;
using Seckill.Api.Snapshots;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>Several loads of the same sale, as when instances start together or a warm-up runs beside the loader.</summary>
[Collection(OperationsTests.Name)]
public sealed class StockLoadTests(OperationsFixture servers)
{
    private const int Stock = 10;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <param name="commits">Whether the other load commits, or dies after Redis has it.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_load_that_is_about_to_commit_is_waited_for_and_one_that_died_is_done_again(bool commits)
    {
        // Its own rounds must not load beside the load under test.
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        var (ledger, recovery) = (api.Get<StockLedger>(), api.Get<StockRecovery>());

        // The other load, up to its commit.
        await using var store = servers.OpenStore();
        await using var other = await store.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, Cancelled);
        var row = (await store.ProductSkus.FromSql($"SELECT * FROM product_skus WHERE id = {skuId} FOR UPDATE").AsNoTracking()
            .ToListAsync(Cancelled)).Single();
        var sale = await store.SeckillSales.AsNoTracking().SingleAsync(s => s.SkuId == skuId, Cancelled);
        await recovery.CloseAsync(sku, Cancelled);
        var token = LoadId.NewToken();
        var loaded = await ledger.WarmAsync(
            sku, row.Stock, new LoadId(row.GateEpoch, row.GateLoad), token, SaleCatalogue.TermsOf(sale), [], Cancelled);
        Assert.Equal((true, row.GateEpoch + 1), (loaded.Loaded, loaded.Epoch));

        var load = LoadAsync(api, skuId, drained: false);
        await Deadline.UntilAsync(servers.LockWaitsAsync, waits => waits > 0, Cancelled);
        Assert.False((await recovery.SnapshotAsync(sku, 0, Cancelled)).Closed, "The gate was shut although the load in it is the newest.");
        await store.ProductSkus.Where(s => s.Id == skuId)
            .ExecuteUpdateAsync(
                set => set.SetProperty(s => s.GateEpoch, loaded.Epoch).SetProperty(s => s.GateLoad, token), Cancelled);
        await (commits ? other.CommitAsync(Cancelled) : other.RollbackAsync(Cancelled));

        var found = await load;
        // If the other load died, a click may have caused a new load just before.
        Assert.Equal((Stock, commits ? loaded.Epoch : loaded.Epoch + 1), (found!.Stock, found.Epoch));
        Assert.False(commits && found.Loaded, "It was loaded over a load that counts.");
        Assert.Equal(200, (await api.BuyAsync(61_000, skuId)).Status);
    }

    [Fact]
    public async Task Many_unsettled_orders_are_looked_up_by_their_ids_however_many_others_there_are()
    {
        const int Others = 40_000;
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        await using var seed = servers.OpenStore();
        await StoredOrders.AddAsync(seed, skuId, skuId * 1_000_000, Others);
        await using var scope = api.Get<IServiceScopeFactory>().CreateAsyncScope();
        var store = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await store.Database.OpenConnectionAsync(Cancelled);
        long[] unsettled = [.. Enumerable.Range(0, 1_000).Select(i => (skuId * 1_000_000) - i)];

        var before = await NumberAsync("SHOW SESSION STATUS LIKE 'Handler_read_rnd_next'");
        var decided = await StoreDecisions.ReadAsync(store, unsettled, Cancelled);
        var scanned = await NumberAsync("SHOW SESSION STATUS LIKE 'Handler_read_rnd_next'") - before;

        Assert.Equal([skuId * 1_000_000], decided.ConvertAll(decision => decision.OrderId));
        Assert.True(scanned < Others, $"{scanned} rows were read one after the other.");
        // With the statistics of a growing table, MariaDB would turn the list of ids into a subquery and scan the table.
        Assert.True(await NumberAsync("SHOW VARIABLES LIKE 'in_predicate_conversion_threshold'") is null or 0);

        async Task<long?> NumberAsync(string show)
        {
            await using var command = store.Database.GetDbConnection().CreateCommand();
            command.CommandText = show;
            await using var reader = await command.ExecuteReaderAsync(Cancelled);
            return await reader.ReadAsync(Cancelled) ? long.Parse(reader.GetString(1), CultureInfo.InvariantCulture) : null;
        }
    }

    [Fact]
    public async Task Buyers_are_restored_before_the_row_is_locked_and_those_who_came_meanwhile_under_the_lock()
    {
        const int buyers = 12_000;
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        var firstId = skuId * 1_000_000;
        await using var store = servers.OpenStore();
        await StoredOrders.AddAsync(store, skuId, firstId, buyers);
        await servers.Redis.KeyDeleteAsync([sku.Stock, sku.Sale, sku.Orders, sku.Buyers, sku.Clicks, sku.Outbox]);

        // A transaction that holds the row, with uncommitted orders: another one of the first buyer and one of a new buyer.
        await using var other = await store.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, Cancelled);
        await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE", Cancelled);
        await StoredOrders.AddOneAsync(store, skuId, firstId + buyers, userId: 0);
        await StoredOrders.AddOneAsync(store, skuId, firstId + buyers + 1, userId: buyers);
        var load = LoadAsync(api, skuId, drained: true);
        await Deadline.UntilAsync(() => servers.Redis.HashLengthAsync(sku.Buyers), known => known == buyers, Cancelled);
        await other.CommitAsync(Cancelled);

        Assert.True((await load)!.Loaded);
        Assert.Equal(buyers + 1, await servers.Redis.HashLengthAsync(sku.Buyers));
        Assert.Equal($"2|{firstId + buyers}", await servers.Redis.HashGetAsync(sku.Buyers, 0));
        Assert.Equal($"1|{firstId + 1}", await servers.Redis.HashGetAsync(sku.Buyers, 1));
        Assert.Equal($"1|{firstId + buyers + 1}", await servers.Redis.HashGetAsync(sku.Buyers, buyers));
    }

    [Fact]
    public async Task No_unit_sleeps_when_a_load_died_and_an_addition_raises_the_epoch_as_far()
    {
        const int added = 50;
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        var stored = await servers.LoadOfAsync(skuId);
        await api.Get<StockRecovery>().CloseAsync(sku, Cancelled);
        var died = await api.Get<StockLedger>().WarmAsync(sku, Stock, stored, LoadId.NewToken(), await TermsAsync(skuId), [], Cancelled);
        Assert.True(died.Loaded);

        var answer = await api.PostAsync(
            $"/api/ops/sales/{skuId}/stock", api.Operator, $$"""{"add":{{added}},"units_before":{{Stock}}}""");

        Assert.Equal(200, answer.Status);
        Assert.Equal(Stock + added, await servers.Redis.StringGetAsync(sku.Stock));
    }

    [Fact]
    public async Task The_epoch_of_the_last_restore_is_noted_and_added_stock_restores_nobody()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        Assert.Equal(0, await servers.Redis.HashGetAsync(sku.Sale, "counted"));

        Assert.Equal(
            200, (await api.PostAsync($"/api/ops/sales/{skuId}/stock", api.Operator, $$"""{"add":5,"units_before":{{Stock}}}""")).Status);
        Assert.Equal(Stock + 5, await servers.Redis.StringGetAsync(sku.Stock));
        Assert.Equal(0, await servers.Redis.HashGetAsync(sku.Sale, "counted"));

        var stored = await servers.LoadOfAsync(skuId);
        await api.Get<StockRecovery>().CloseAsync(sku, Cancelled);
        Assert.True((await api.Get<StockLoad>().RunAsync(skuId, false, true, Cancelled))!.Loaded);
        Assert.Equal(stored.Epoch, await servers.Redis.HashGetAsync(sku.Sale, "counted"));
    }

    /// <summary>The load has read the terms under the row lock, and lost the lock: it was frozen, or MySQL failed over.</summary>
    [Fact]
    public async Task A_load_decided_before_a_pause_does_not_open_a_gate_that_Redis_has_lost()
    {
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        var (stored, terms) = (await servers.LoadOfAsync(skuId), await TermsAsync(skuId));
        await servers.Redis.KeyDeleteAsync(sku.All);
        var seen = await api.Get<StockRecovery>().SnapshotAsync(sku, 0, Cancelled);

        Assert.Equal(200, (await api.PostAsync($"/api/ops/sales/{skuId}/pause", api.Operator)).Status);
        Assert.NotNull(await servers.Redis.KeyTimeToLiveAsync(sku.Sale));
        var late = await api.Get<StockLedger>().WarmAsync(
            sku, Stock, stored, LoadId.NewToken(), terms, [], Cancelled, seen, again: true);

        Assert.True(late.Refused, "The gate is open, and not paused.");
        // The loader opens it when the queue is drained.
        var answer = await Deadline.UntilAsync(() => api.BuyAsync(61_100, skuId), reply => reply.Status != 503, Cancelled);
        Assert.Equal("paused", answer.Error);
    }

    /// <summary>
    /// An instance of the previous version sets epoch and run id in Redis and the epoch in MySQL, and uses no tokens on either side.
    /// </summary>
    [Fact]
    public async Task An_instance_without_tokens_and_one_with_do_not_load_after_each_other_again_and_again()
    {
        // Nor may this instance look by itself while the test is between its writes to Redis and to MySQL.
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "60000"), ("Catalogue:RefreshEveryMs", "3600000"));
        var skuId = await servers.PutOnSaleAsync(api, Stock);
        var sku = new SkuKeys(skuId);
        var load = api.Get<StockLoad>();

        // The tokens of the previous load are unchanged and equal.
        var epoch = await LoadWithoutTokenAsync(skuId);
        Assert.Equal(new LoadedSku(skuId, false, Stock, epoch), await load.RunAsync(skuId, false, true, Cancelled));

        // Redis has lost its token, and MySQL has one: that could be any load, so it is repeated once.
        await servers.Redis.KeyDeleteAsync(sku.All);
        epoch = await LoadWithoutTokenAsync(skuId);
        Assert.Equal(new LoadedSku(skuId, true, Stock, epoch + 1), await load.RunAsync(skuId, false, true, Cancelled));
        Assert.Equal(new LoadedSku(skuId, false, Stock, epoch + 1), await load.RunAsync(skuId, false, true, Cancelled));

        // The state that the other instance then checks.
        Assert.Equal(epoch + 1, (await servers.LoadOfAsync(skuId)).Epoch);
        Assert.Equal(epoch + 1, await servers.Redis.HashGetAsync(sku.Sale, "epoch"));
        Assert.Contains($"run_id:{await servers.Redis.HashGetAsync(sku.Sale, "run_id")}", await InfoAsync(), StringComparison.Ordinal);

        // Rows and data of the previous version: equal, without tokens.
        await servers.Redis.HashDeleteAsync(sku.Sale, "load");
        await using var store = servers.OpenStore();
        await store.ProductSkus.Where(row => row.Id == skuId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.GateLoad, (long?)null), Cancelled);
        Assert.Equal(new LoadedSku(skuId, false, Stock, epoch + 1), await load.RunAsync(skuId, false, true, Cancelled));
    }

    /// <summary>A load that is repeated while the row is locked for longer than a load waits for it.</summary>
    private static async Task<LoadedSku?> LoadAsync(ApiHost api, long skuId, bool drained)
    {
        while (true)
        {
            try
            {
                return await api.Get<StockLoad>().RunAsync(skuId, termsChanged: false, drained, Cancelled);
            }
            catch (TimeoutException)
            {
                // Tried again.
            }
        }
    }

    private async Task<long> LoadWithoutTokenAsync(long skuId)
    {
        var epoch = (await servers.LoadOfAsync(skuId)).Epoch + 1;
        var sku = new SkuKeys(skuId);
        var runId = (await InfoAsync()).Split('\n').Single(line => line.StartsWith("run_id:", StringComparison.Ordinal))[7..].Trim();
        await servers.Redis.StringSetAsync(sku.Stock, Stock);
        await servers.Redis.HashSetAsync(sku.Sale, [new("epoch", epoch), new("held", 0), new("closed", 0), new("run_id", runId)]);
        await using var store = servers.OpenStore();
        await store.ProductSkus.Where(row => row.Id == skuId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.GateEpoch, epoch), Cancelled);
        return epoch;
    }

    private async Task<string> InfoAsync() => (string)(await servers.Redis.ExecuteAsync("INFO", "server"))!;

    private async Task<SaleTerms> TermsAsync(long skuId)
    {
        await using var store = servers.OpenStore();
        return SaleCatalogue.TermsOf(await store.SeckillSales.AsNoTracking().SingleAsync(sale => sale.SkuId == skuId, Cancelled));
    }
}
