using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using Seckill.Tests.Worker;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

[CollectionDefinition(Name)]
public sealed class OperationsTests : ICollectionFixture<OperationsFixture>
{
    public const string Name = "Operations";
}

/// <summary>
/// The three servers with an empty, migrated store, for the tests of one collection; every test puts its own SKU on sale.
/// </summary>
public sealed class OperationsFixture(SharedServers servers) : IAsyncLifetime
{
    private const int Limit = 2;

    private LocalSystem _system = null!;
    private IConnection _broker = null!;
    private ConnectionMultiplexer? _withoutInfo;
    private long _lastSkuId = 5_000;

    /// <summary>SKUs on sale, each with the test that put it there.</summary>
    private readonly ConcurrentDictionary<long, string?> _onSale = new();

    private static string? ThisTest => TestContext.Current.Test?.UniqueID;

    /// <summary>With <see cref="SystemUnderTest.Patience"/>, because these tests send a click once.</summary>
    private (string Name, string Value)[] ServerSettings =>
    [
        .. _system.Patience().Select(setting => (setting.Name.Replace("__", ":", StringComparison.Ordinal), setting.Value)),
        ("ConnectionStrings:rabbitmq", _system.RabbitMqConnectionString),
        ("ConnectionStrings:mysql", _system.MySqlConnectionString),
    ];

    /// <summary>The broker's, with the fixture's virtual host.</summary>
    public Uri RabbitMq => new(_system.RabbitMqConnectionString);

    public IDatabase Redis { get; private set; } = null!;

    public IChannel Channel { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var cancelled = TestContext.Current.CancellationToken;
        _system = await servers.StartAsync(SharedServers.Operations, new LocalSystemOptions(), cancelled);
        TestContext.Current.SendDiagnosticMessage(_system.Versions);

        Redis = _system.RedisConnection.GetDatabase();
        _broker = await _system.OpenRabbitMqAsync(cancelled);
        Channel = await _broker.CreateChannelAsync(new CreateChannelOptions(true, true), cancelled);
        await OrderTopology.DeclareAsync(Channel, cancelled);
        await using var store = OpenStore();
        await store.Database.MigrateAsync(cancelled);
        store.Products.Add(new Product { Id = 1, Title = "Phone", Description = "A phone", Image = "/img/phone.svg" });
        await store.SaveChangesAsync(cancelled);
    }

    /// <summary>An Api on these servers, in this process, with further settings.</summary>
    public ApiHost StartApi(params (string Name, string Value)[] settings)
    {
        EndEarlierSales();
        return new ApiHost(
            [.. ServerSettings, ("Catalogue:RefreshEveryMs", "500"), ("Catalogue:ListingHoldMs", "50"), .. settings]);
    }

    /// <summary>A worker on these servers, in this process, with further settings; it works until it is disposed.</summary>
    public WorkerHost StartWorker(params (string Name, string Value)[] settings) => new([.. ServerSettings, .. settings]);

    /// <summary>The same servers for parts that a test assembles itself, with these scripts.</summary>
    internal async Task<HistoryServers> HistoryServersAsync(LedgerScripts scripts)
    {
        // Managed services may hide the run id from an account.
        await Redis.ExecuteAsync("ACL", "SETUSER", "no-info", "on", ">no-info", "~*", "&*", "+@all", "-info");
        _withoutInfo ??= await ConnectionMultiplexer.ConnectAsync(_system.RedisConnectionString + ",user=no-info,password=no-info");
        return new HistoryServers(
            _system.RedisConnection, _withoutInfo, _system.MySqlConnectionString, _system.RabbitMqConnectionString, scripts);
    }

    public OrderingDbContext OpenStore() => new(
        new DbContextOptionsBuilder<OrderingDbContext>()
            .UseMySql(_system.MySqlConnectionString, new MySqlServerVersion(new Version(8, 0, 36)))
            .Options);

    /// <summary>Puts a SKU on sale and waits until the Api's gate has loaded it.</summary>
    public async Task<long> PutOnSaleAsync(
        ApiHost api, int stock = 10, bool tokenRequired = false, TimeSpan startsIn = default, TimeSpan endsIn = default)
    {
        var now = DateTime.UtcNow;
        long skuId;
        await using (var store = OpenStore())
        {
            // Sales that operators create in these tests also take the next free id.
            do
            {
                skuId = Interlocked.Increment(ref _lastSkuId);
            }
            while (await store.ProductSkus.AnyAsync(sku => sku.Id == skuId, TestContext.Current.CancellationToken));

            store.ProductSkus.Add(new ProductSku
            {
                Id = skuId,
                ProductId = 1,
                Title = "Phone, black",
                Price = 99.5m,
                Stock = stock,
                Image = "/img/phone.svg",
                Attrs = "{}",
                Sale = new SeckillSale
                {
                    SkuId = skuId,
                    StartsAt = startsIn == default ? now.AddMinutes(-5) : now + startsIn,
                    EndsAt = endsIn == default ? now.AddDays(1) : now + endsIn,
                    LimitPerUser = Limit,
                    TokenRequired = tokenRequired,
                    Units = stock,
                },
            });
            await store.SaveChangesAsync(TestContext.Current.CancellationToken);
        }

        _onSale[skuId] = ThisTest;
        await api.Get<SaleCatalogue>().RefreshAsync(TestContext.Current.CancellationToken);
        await WaitUntilLoadedAsync(api, skuId);
        return skuId;
    }

    /// <summary>
    /// Ends the sales of earlier tests: here an Api reads, loads and compares every existing sale several times a second.
    /// </summary>
    private void EndEarlierSales()
    {
        var skuIds = _onSale.Where(sale => sale.Value != ThisTest).Select(sale => sale.Key).ToList();
        if (skuIds.Count == 0)
        {
            return;
        }

        using (var store = OpenStore())
        {
            store.SeckillSales.Where(sale => skuIds.Contains(sale.SkuId)).ExecuteDelete();
        }

        Redis.KeyDelete([.. skuIds.SelectMany(skuId => new SkuKeys(skuId).All)]);
        foreach (var skuId in skuIds)
        {
            _onSale.TryRemove(skuId, out _);
        }
    }

    /// <summary>Puts a letter into the dead-letter queue with its properties unchanged, see <see cref="RawMessages"/>.</summary>
    public Task BuryRawAsync(byte[] properties, byte[] body) => RawMessages.PublishAsync(
        _broker.Endpoint, _system.RabbitMqConnectionString, [(properties, body)], TestContext.Current.CancellationToken,
        OrderTopology.DeadLetterExchange);

    /// <summary>Removes an earlier test's messages from both queues, and ends its sales.</summary>
    public async Task PurgeAsync()
    {
        EndEarlierSales();
        await Channel.QueuePurgeAsync(OrderTopology.Queue, TestContext.Current.CancellationToken);
        await Channel.QueuePurgeAsync(OrderTopology.DeadLetterQueue, TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_withoutInfo is not null)
        {
            await _withoutInfo.DisposeAsync();
        }

        await Channel.DisposeAsync();
        await _broker.DisposeAsync();
        await _system.DisposeAsync();
    }

    /// <summary>The valid load of the counter according to MySQL.</summary>
    public async Task<LoadId> LoadOfAsync(long skuId)
    {
        await using var store = OpenStore();
        var row = await store.ProductSkus.AsNoTracking().SingleAsync(row => row.Id == skuId, TestContext.Current.CancellationToken);
        return new LoadId(row.GateEpoch, row.GateLoad);
    }

    /// <summary>Gives MySQL another <c>server_id</c>, so that it looks like the server that has taken over, or the old one back.</summary>
    public async Task MoveServerIdAsync(int by)
    {
        await using var administrator = await _system.OpenMySqlAsAdministratorAsync(TestContext.Current.CancellationToken);
        await using var command = new MySqlCommand(
            string.Create(CultureInfo.InvariantCulture, $"SET GLOBAL server_id = @@GLOBAL.server_id + {by}"), administrator);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>
    /// Transactions that wait for a row now. Not from innodb_trx, which is not refreshed for a reader that polls often.
    /// </summary>
    public async Task<long> LockWaitsAsync()
    {
        await using var store = OpenStore();
        await store.Database.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var command = store.Database.GetDbConnection().CreateCommand();
        command.CommandText = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        Assert.True(await reader.ReadAsync(TestContext.Current.CancellationToken));
        return long.Parse(reader.GetString(1), CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the gate has the SKU, MySQL knows that, and this Api lists it.</summary>
    public async Task WaitUntilLoadedAsync(ApiHost api, long skuId) => await Deadline.UntilAsync(
        async () => (
            InRedis: await Redis.KeyExistsAsync($"stock:sku:{skuId}"),
            InMySql: (await LoadOfAsync(skuId)).Epoch > 0,
            Listed: (await api.GetAsync("/api/products")).Body.ToString().Contains($"\"{skuId}\"", StringComparison.Ordinal)),
        state => state is { InRedis: true, InMySql: true, Listed: true },
        TestContext.Current.CancellationToken);
}
