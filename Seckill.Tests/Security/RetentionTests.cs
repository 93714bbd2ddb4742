using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Seckill.Api.Retention;
using Seckill.Ordering.Store;
using Seckill.Tests.Operations;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Security;

/// <summary>Personal data is deleted once that is allowed, in small batches, and nothing else is deleted.</summary>
[Collection(OperationsTests.Name)]
public sealed class RetentionTests(OperationsFixture servers)
{
    private const int OldDays = 100;

    /// <summary>Far less than the lease lasts.</summary>
    private const int ReleaseTimeoutMs = 20_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Old_buyers_rejections_and_entries_go_and_the_orders_stay()
    {
        await using var api = servers.StartApi(
            ("Retention:OrderBuyerDays", "60"), ("Retention:RejectionDays", "60"), ("Retention:AuditDays", "60"),
            ("Retention:BatchSizeMax", "2"), ("Retention:PauseMs", "0"), ("Retention:EveryMinutes", "1440"));
        var (over, sold) = (await servers.PutOnSaleAsync(api), await servers.PutOnSaleAsync(api));
        var running = await servers.PutOnSaleAsync(api);
        // The orders get ids below those of this finished pass, because orders are written later than their ids are made.
        await api.Get<RetentionPass>().RunAsync(Cancelled);
        var first = Random.Shared.NextInt64(1, 1_000_000_000_000);
        await using (var store = servers.OpenStore())
        {
            var ended = DateTime.UtcNow.AddDays(-OldDays);
            await store.SeckillSales.Where(sale => sale.SkuId == over || sale.SkuId == sold).ExecuteUpdateAsync(
                set => set.SetProperty(sale => sale.StartsAt, ended.AddDays(-1)).SetProperty(sale => sale.EndsAt, ended), Cancelled);
            for (var id = first; id < first + 5; id++)
            {
                store.Orders.Add(OrderOf(id, over, OldDays));
                store.OrderRejections.Add(RejectionOf(id, over, OldDays));
                store.OpsAudit.Add(EntryOf(id, OldDays));
            }

            store.Orders.AddRange(OrderOf(first + 5, sold, daysAgo: 1), OrderOf(first + 6, running, OldDays));
            store.OrderRejections.AddRange(RejectionOf(first + 5, over, daysAgo: 1), RejectionOf(first + 6, running, OldDays));
            store.OpsAudit.Add(EntryOf(first + 5, daysAgo: 1));
            await store.SaveChangesAsync(Cancelled);
        }

        // The job may have deleted some already.
        await api.Get<RetentionPass>().RunAsync(Cancelled);

        await using var after = servers.OpenStore();
        var orders = await after.Orders.Include(order => order.Items).Where(order => order.Id >= first && order.Id < first + 7)
            .OrderBy(order => order.Id).ToListAsync(Cancelled);
        Assert.Equal(7, orders.Count);
        Assert.All(orders[..5], order => Assert.Equal((0, null, 0), (order.UserId, order.ClientOrderNo, order.Items.Single().UserId)));
        Assert.All(orders[5..], order => Assert.Equal((88, 88), (order.UserId, order.Items.Single().UserId)));
        Assert.All(orders, order => Assert.Equal(9.9m, order.TotalAmount));
        Assert.Equal(
            [first + 5, first + 6], await after.OrderRejections.Where(one => one.OrderId >= first && one.OrderId < first + 7)
                .OrderBy(one => one.OrderId).Select(one => one.OrderId).ToListAsync(Cancelled));
        Assert.Equal(
            [$"retention {first + 5}"], await after.OpsAudit.Where(entry => entry.Action == "retention.test")
                .Select(entry => entry.Target).ToListAsync(Cancelled));
    }

    /// <summary>A slip in SQL, or a row taken out for a moment, must not cost a running sale its purchase limits and refusals.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sale_that_has_sold_within_the_period_is_not_over_whatever_its_row_says(bool missing)
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        var id = Random.Shared.NextInt64(1, 1_000_000_000_000);
        await using (var store = servers.OpenStore())
        {
            var sale = store.SeckillSales.Where(sale => sale.SkuId == skuId);
            var ended = DateTime.UtcNow.AddDays(-OldDays);
            await (missing
                ? sale.ExecuteDeleteAsync(Cancelled)
                : sale.ExecuteUpdateAsync(
                    set => set.SetProperty(row => row.StartsAt, ended.AddDays(-1)).SetProperty(row => row.EndsAt, ended), Cancelled));
            store.Orders.AddRange(OrderOf(id, skuId, OldDays), OrderOf(id + 1, skuId, daysAgo: 1));
            store.OrderRejections.Add(RejectionOf(id + 2, skuId, OldDays));
            await store.SaveChangesAsync(Cancelled);
        }

        var options = Options.Create(new RetentionOptions { OrderBuyerDays = 60, RejectionDays = 60, PauseMs = 0 });
        await new RetentionPass(api.Get<IServiceScopeFactory>(), options, TimeProvider.System).RunAsync(Cancelled);

        await using var after = servers.OpenStore();
        Assert.Equal(88, (await after.Orders.SingleAsync(order => order.Id == id, Cancelled)).UserId);
        Assert.True(await after.OrderRejections.AnyAsync(rejection => rejection.OrderId == id + 2, Cancelled));
    }

    [Fact]
    public async Task A_clock_that_is_months_ahead_deletes_nothing_early()
    {
        await using var api = servers.StartApi();
        var over = await servers.PutOnSaleAsync(api);
        var id = Random.Shared.NextInt64(1, 1_000_000_000_000);
        await using (var store = servers.OpenStore())
        {
            var ended = DateTime.UtcNow.AddDays(-1);
            await store.SeckillSales.Where(sale => sale.SkuId == over).ExecuteUpdateAsync(
                set => set.SetProperty(sale => sale.StartsAt, ended.AddDays(-1)).SetProperty(sale => sale.EndsAt, ended), Cancelled);
            store.Orders.Add(OrderOf(id, over, daysAgo: 1));
            store.OrderRejections.Add(RejectionOf(id, over, daysAgo: 1));
            await store.SaveChangesAsync(Cancelled);
        }

        var clock = new SetClock();
        clock.Move(DateTimeOffset.UtcNow.AddDays(OldDays) - clock.GetUtcNow());
        var options = Options.Create(new RetentionOptions { OrderBuyerDays = 60, RejectionDays = 60, PauseMs = 0 });
        await new RetentionPass(api.Get<IServiceScopeFactory>(), options, clock).RunAsync(Cancelled);

        await using var after = servers.OpenStore();
        Assert.Equal(88, (await after.Orders.SingleAsync(order => order.Id == id, Cancelled)).UserId);
        Assert.True(await after.OrderRejections.AnyAsync(rejection => rejection.OrderId == id, Cancelled));
    }

    [Fact]
    public async Task An_instance_without_MySQL_leaves_the_job_to_another()
    {
        const string lease = "seckill:retention";
        const string failed = "Rows that are due by Retention were not removed";
        await servers.Redis.KeyDeleteAsync(lease);
        await using var noStore = new ServiceCollection()
            .AddDbContext<OrderingDbContext>(options => options.UseMySql(
                "Server=127.0.0.1;Port=1;User ID=seckill;Password=x;Database=seckill;Connection Timeout=1",
                new MySqlServerVersion(new Version(8, 0, 36))))
            .BuildServiceProvider();
        var options = Options.Create(new RetentionOptions { RejectionDays = 60 });
        using var lines = new LogLines();
        using var loggers = new LoggerFactory([lines]);
        using var job = new RetentionJob(
            new RetentionPass(noStore.GetRequiredService<IServiceScopeFactory>(), options, TimeProvider.System),
            servers.Redis.Multiplexer, options, TimeProvider.System, loggers.CreateLogger<RetentionJob>());
        await job.StartAsync(Cancelled);
        try
        {
            await Deadline.UntilAsync(
                () => Task.FromResult(lines.Lines.Count(line => line.Text.StartsWith(failed, StringComparison.Ordinal))),
                count => count > 0, Cancelled);
            await Deadline.UntilAsync(() => servers.Redis.KeyExistsAsync(lease), held => !held, Cancelled, ReleaseTimeoutMs);
        }
        finally
        {
            await job.StopAsync(CancellationToken.None);
        }
    }

    [Fact]
    public async Task A_few_days_are_refused_as_a_slip()
    {
        await using var api = servers.StartApi();
        Assert.False(api.Get<IOptions<RetentionOptions>>().Value.Enabled);
        var refused = Assert.IsType<OptionsValidationException>(await ApiHost.RefusalAsync(("Retention:AuditDays", "3")));
        Assert.Contains(nameof(RetentionOptions), refused.Message, StringComparison.Ordinal);
    }

    private static Order OrderOf(long id, long skuId, int daysAgo)
    {
        var at = DateTime.UtcNow.AddDays(-daysAgo);
        var order = new Order
        {
            Id = id,
            OrderSn = $"R{id}",
            UserId = 88,
            ClientOrderNo = $"retention-{id}",
            TotalAmount = 9.9m,
            PayAmount = 9.9m,
            TraceId = "",
            ReservedAt = at,
            PickedUpAt = at,
            CreatedAt = at,
            ExpiresAt = at,
        };
        order.Items.Add(new OrderItem
        {
            OrderId = id,
            UserId = 88,
            ProductId = 1,
            SkuId = skuId,
            Title = "",
            Image = "",
            Attrs = "{}",
            Price = 9.9m,
            Quantity = 1,
        });
        return order;
    }

    private static OrderRejection RejectionOf(long id, long skuId, int daysAgo) => new()
    {
        OrderId = id,
        UserId = 88,
        SkuId = skuId,
        Quantity = 1,
        Reason = "sold out",
        TraceId = "",
        CreatedAt = DateTime.UtcNow.AddDays(-daysAgo),
    };

    private static OpsAuditEntry EntryOf(long id, int daysAgo) => new()
    {
        At = DateTime.UtcNow.AddDays(-daysAgo),
        Operator = "1",
        Action = "retention.test",
        Target = $"retention {id}",
        Detail = "",
        TraceId = "",
        Outcome = new OpsAuditOutcome { At = DateTime.UtcNow.AddDays(-daysAgo), Status = 200, Reason = "" },
    };
}
