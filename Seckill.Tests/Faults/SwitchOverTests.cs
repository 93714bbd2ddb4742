using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Migrating;
using Seckill.OrderWorker.Writing;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Faults;

/// <summary>
/// A planned switch-over of MySQL: the primary becomes read-only, and its address leads to another server. Open connections stay open.
/// </summary>
[Collection(nameof(WorkerServers))]
public sealed class SwitchOverTests(WorkerServers servers)
{
    private const int OrderCount = 10;

    /// <summary>An account without administrator rights, which would allow writes on a read-only server.</summary>
    private const string Account = "application";

    /// <summary>A fraction of a connection's lifetime, after which the pool would reconnect by itself.</summary>
    private const int MovesWithinMs = 60_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Orders_are_written_on_the_new_primary_without_a_restart()
    {
        await using var shop = await Shop.OpenAsync(servers, 2 * OrderCount, _cancellation);
        await using var pair = await StartPairAsync();
        await ExecuteAsync(pair.Second, $"""
            INSERT INTO products (id, title, description, image) VALUES ({shop.Sku.SkuId}, 'p', '', '');
            INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs, gate_epoch)
            VALUES ({shop.Sku.SkuId}, {shop.Sku.SkuId}, 's', 9.9, {OrderCount}, '', '{"{}"}',
                {await shop.AskAsync<long>("SELECT gate_epoch FROM product_skus WHERE id = @sku", _cancellation)})
            """);
        await using var worker = await RunningWorker.StartAsync(servers, _cancellation, Settings(pair));
        await shop.SettledAsync(await shop.SellAsync(1, OrderCount, _cancellation), _cancellation);
        Assert.Equal(OrderCount, await shop.OrderCountAsync(_cancellation));

        await pair.SwitchOverAsync();
        var messages = await shop.SellAsync(1 + OrderCount, OrderCount, _cancellation);

        await shop.SettledAsync(messages, _cancellation, MovesWithinMs);
        Assert.Equal(OrderCount, await shop.OrderCountAsync(_cancellation));
        Assert.Equal(OrderCount, await CountAsync(pair.Second, $"SELECT COUNT(*) FROM order_items WHERE sku_id = {shop.Sku.SkuId}"));
    }

    [Fact]
    public async Task What_is_saved_goes_to_the_new_primary_at_the_next_try()
    {
        await using var pair = await StartPairAsync();
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(Settings(pair));
        builder.Logging.ClearProviders();
        builder.AddMySql<OrderingDbContext>();
        using var host = builder.Build();
        var target = $"{Guid.NewGuid():N}";
        await SaveAsync(host, target);

        await pair.SwitchOverAsync();
        var refused = await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(host, target));
        await SaveAsync(host, target);

        Assert.IsType<MySqlException>(refused.InnerException);
        var saved = $"SELECT COUNT(*) FROM ops_audit WHERE target = '{target}'";
        Assert.Equal(1, await CountAsync(servers.MySql, saved));
        Assert.Equal(1, await CountAsync(pair.Second, saved));
    }

    /// <summary>While a failed batch is held back, a probe may be the only query for a while.</summary>
    [Fact]
    public async Task A_probe_that_is_refused_leaves_the_old_primary()
    {
        await GrantAsync(servers.MySql);
        await using var address = new TcpSwitch(servers.MySql.Port);
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(Settings(servers.MySql, address));
        builder.Logging.ClearProviders();
        builder.AddMySql<OrderingDbContext>();
        builder.Services.AddOptions<WorkerOptions>();
        builder.Services.AddSingleton<StoreProbe>();
        using var host = builder.Build();
        var probe = host.Services.GetRequiredService<StoreProbe>();
        Assert.True(await probe.CanWriteAsync(_cancellation));
        Assert.True(await probe.CanWriteAsync(_cancellation));
        Assert.Equal(1, address.AcceptedCount);

        await ExecuteAsync(servers.MySql, "SET GLOBAL read_only = 1");
        try
        {
            Assert.False(await probe.CanWriteAsync(_cancellation));
        }
        finally
        {
            await ExecuteAsync(servers.MySql, "SET GLOBAL read_only = 0");
        }

        Assert.True(await probe.CanWriteAsync(_cancellation));
        Assert.Equal(2, address.AcceptedCount);
    }

    private async Task SaveAsync(IHost host, string target)
    {
        await using var scope = host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        context.OpsAudit.Add(new OpsAuditEntry { Operator = "test", Action = "test", Target = target, Detail = "", TraceId = "" });
        await context.SaveChangesAsync(_cancellation);
    }

    /// <summary>The servers' MySQL behind a switch, and another one with the same schema and the same account.</summary>
    private async Task<Pair> StartPairAsync()
    {
        var second = await MySqlServer.StartAsync(new MySqlServerOptions { WithAdministrator = true }, _cancellation);
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration["ConnectionStrings:mysql"] = second.ConnectionString;
        builder.Logging.ClearProviders();
        Assert.Equal(0, await MigrateOnly.RunAsync(builder, _cancellation));
        foreach (var server in (MySqlServer[])[servers.MySql, second])
        {
            await GrantAsync(server);
        }

        return new Pair(servers.MySql, second);
    }

    private static Task GrantAsync(MySqlServer server) => ExecuteAsync(server, $"""
        CREATE USER IF NOT EXISTS '{Account}'@'%' IDENTIFIED BY '{Account}';
        GRANT ALL ON seckill.* TO '{Account}'@'%'
        """);

    private static Dictionary<string, string?> Settings(Pair pair) => Settings(pair.Second, pair.Address);

    private static Dictionary<string, string?> Settings(MySqlServer server, TcpSwitch address) => new()
    {
        ["ConnectionStrings:mysql"] = new MySqlConnectionStringBuilder(server.ConnectionString)
        {
            Port = (uint)address.Port,
            UserID = Account,
            Password = Account,
        }.ConnectionString,
    };

    private static async Task ExecuteAsync(MySqlServer server, string sql)
    {
        await using var connection = new MySqlConnection(server.AdministratorConnectionString + ";Pooling=False");
        await connection.OpenAsync();
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<long> CountAsync(MySqlServer server, string sql)
    {
        await using var connection = new MySqlConnection(server.ConnectionString + ";Pooling=False");
        await connection.OpenAsync();
        await using var command = new MySqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private sealed class Pair(MySqlServer first, MySqlServer second) : IAsyncDisposable
    {
        public MySqlServer Second => second;

        public TcpSwitch Address { get; } = new(first.Port);

        public async Task SwitchOverAsync()
        {
            await ExecuteAsync(first, "SET GLOBAL read_only = 1");
            Address.RedirectTo(second.Port);
        }

        public async ValueTask DisposeAsync()
        {
            await ExecuteAsync(first, "SET GLOBAL read_only = 0");
            await Address.DisposeAsync();
            await second.DisposeAsync();
        }
    }
}
