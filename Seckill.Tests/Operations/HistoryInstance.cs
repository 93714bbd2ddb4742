using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using RabbitMQ.Client;
using Seckill.Api;
using Seckill.Api.Audit;
using Seckill.Api.Catalogue;
using Seckill.Api.DeadLetters;
using Seckill.Api.Gate;
using Seckill.Api.MissingOrders;
using Seckill.Api.Publishing;
using Seckill.Api.Reconciliation;
using Seckill.Api.Sales;
using Seckill.Api.Snapshots;
using Seckill.Api.WarmUp;
using Seckill.Ordering;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>Where the histories run, and with which scripts.</summary>
internal sealed record HistoryServers(
    IConnectionMultiplexer Redis, IConnectionMultiplexer RedisWithoutInfo, string MySql, string RabbitMq, LedgerScripts Scripts)
{
    /// <summary>The parts of an application, without their background loops.</summary>
    public ServiceProvider Build(
        IConnectionMultiplexer redis, Lifeline life, Action<IServiceCollection> add, params (string, string)[] settings)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Item1, (string?)setting.Item2))).Build());
        services.AddLogging();
        services.AddSingleton(MortalRedis.Of(redis, life));
        services.AddSingleton<IConnectionFactory>(new ConnectionFactory { Uri = new Uri(RabbitMq), ClientProvidedName = "history" });
        services.AddDbContext<OrderingDbContext>(options => options
            .UseMySql(MySql, new MySqlServerVersion(new Version(8, 0, 36)))
            .AddInterceptors(new MortalCommands(life), new MortalCommits(life)));
        services.AddOrdering();
        services.Replace(ServiceDescriptor.Singleton(provider =>
            new StockLedger(provider.GetRequiredService<IConnectionMultiplexer>(), Scripts)));
        services.Replace(ServiceDescriptor.Singleton(provider =>
            new StockRecovery(provider.GetRequiredService<IConnectionMultiplexer>(), Scripts)));
        add(services);
        return services.BuildServiceProvider();
    }
}

/// <summary>
/// An instance of the Api: its gate, loader, sweeper, reconciler and operators' side, each of which does its next step when it is told to.
/// </summary>
internal sealed class HistoryInstance(HistoryServers servers, IConnectionMultiplexer redis) : IAsyncDisposable
{

    private ServiceProvider _parts = null!;
    private Lifeline _life = null!;

    /// <summary>Scripts that Redis may still execute for dead instances.</summary>
    public List<Func<Task>> LateCalls { get; } = [];

    /// <summary>A new process, which reads the sales first.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _life = new Lifeline();
        _parts = servers.Build(
            redis, _life,
            services =>
            {
                services.AddCatalogue();
                services.AddPublishing();
                services.AddGate();
                services.AddReconciliation();
                services.AddDeadLetters();
                services.AddSales();
                services.AddSingleton<AuditLog>();
                // The result of a search without a find is kept for ten minutes; two steps of a history are that far apart.
                services.Replace(ServiceDescriptor.Singleton(provider =>
                    new LossWatch(provider.GetRequiredService<MissingOrderSearch>(), new HurryingClock())));
            },
            // On a busy machine a click may wait for longer than by default; it is sent once.
            ("Catalogue:DrainWaitMsMax", "0"), ("Reconciliation:StuckAfterMs", "1000"), ("Gate:AnswerWithinMs", "30000"));
        await Get<SaleCatalogue>().RefreshAsync(cancellationToken);
    }

    public async Task RestartAsync(CancellationToken cancellationToken)
    {
        await DisposeAsync();
        await StartAsync(cancellationToken);
    }

    /// <summary>Takes a step, and dies during it if <paramref name="dies"/> says so; then another process takes its place.</summary>
    /// <returns>Whether it survived.</returns>
    public async Task<bool> TryAsync(Death? dies, Func<Task> act, CancellationToken cancellationToken)
    {
        _life.Set(dies);
        try
        {
            await act();
        }
        catch (Exception) when (_life.Died)
        {
            // It died, however it handled that.
        }

        _life.Set(null);
        if (_life.Died)
        {
            if (_life.LateCall is { } late)
            {
                LateCalls.Add(late);
            }

            await RestartAsync(cancellationToken);
            return false;
        }

        return true;
    }

    /// <summary>A click at the gate, with the terms that the buyer was shown.</summary>
    public async Task<(ReserveResult Result, decimal UnitPrice)> ClickAsync(
        SkuKeys sku, long orderId, long userId, int quantity, string? number)
    {
        var offer = Get<SaleCatalogue>().Find(sku.SkuId)!.Offer;
        var click = new PurchaseAttempt(sku, new ReserveRequest(orderId, userId, quantity, number, null, offer.Text), default, null);
        Assert.True(Get<GateLanes>().LaneOf(sku.SkuId).TryAsk(click));
        return (await click.Answered, offer.Price);
    }

    /// <summary>The orders that the sweeper would publish now.</summary>
    public async Task<IReadOnlyList<SweptOrder>> SweepAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        var reply = Assert.Single(await Get<StockLedger>().TakeUnconfirmedAsync([sku], 0, 1_000, cancellationToken));
        // If the script fails, the sweeper logs it and continues.
        return reply.Error is null ? [.. reply.Due.Select(order => new SweptOrder(sku, order))] : throw reply.Error;
    }

    public Task ConfirmAsync(SkuKeys sku, IReadOnlyList<SweptOrder> orders, CancellationToken cancellationToken) =>
        Get<StockLedger>().ConfirmAsync(
            sku, [.. orders.Select(order => order.Message.OrderId!.Value)], DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
            cancellationToken);

    /// <summary>Reads the sales, then checks the counter.</summary>
    public async Task LookAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        await Get<SaleCatalogue>().RefreshAsync(cancellationToken);
        var result = await Get<StockWarmUp>().LoadAsync([sku.SkuId], cancellationToken);
        Assert.True(_life.Died || result.Failed.Values.All(IsWait), string.Join(Environment.NewLine, result.Failed.Values));
    }

    public Task ReconcileAsync(SkuKeys sku, CancellationToken cancellationToken) =>
        Get<SkuReconciler>().RunAsync(sku.SkuId, cancellationToken);

    public async Task ReloadAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        try
        {
            await Get<StockWarmUp>().ReloadAsync(sku.SkuId, cancellationToken);
        }
        catch (Exception exception) when (!_life.Died && IsWait(exception))
        {
            // The operator reads the refusal and repeats the request.
        }
    }

    /// <summary>Whether the books balance as operators see them.</summary>
    public async Task<bool> IsBalancedAsync(SkuKeys sku, CancellationToken cancellationToken) =>
        await Get<ReconciliationReader>().ReadAsync(sku.SkuId, cancellationToken) is
        {
            Loaded: true, Difference: 0, HeldDifference: 0, StoreDifference: 0, Unreadable: null,
        };

    public async Task AddStockAsync(SkuKeys sku, int units, int before, CancellationToken cancellationToken) => await ChangeAsync(
        sales => sales.AddStockAsync(
            Operator(), sku.SkuId, new AddStockRequest { Add = units, UnitsBefore = before }, cancellationToken));

    public Task PauseAsync(SkuKeys sku, bool paused, CancellationToken cancellationToken) =>
        ChangeAsync(sales => sales.PauseAsync(Operator(), sku.SkuId, paused, cancellationToken));

    public Task EditAsync(SkuKeys sku, int limit, int price, CancellationToken cancellationToken) => ChangeAsync(sales => sales.EditAsync(
        Operator(), sku.SkuId, new EditSaleRequest { LimitPerUser = limit, Price = price }, cancellationToken));

    public ValueTask DisposeAsync() => _parts.DisposeAsync();

    private static OperatorCall Operator() => new()
    {
        Operator = OperatorCall.Machine,
        Scheme = OperatorCall.Machine,
        Address = "",
        TraceId = "",
    };

    private async Task ChangeAsync(Func<SaleOperations, Task<SaleResult>> change)
    {
        try
        {
            await change(Get<SaleOperations>());
        }
        catch (Exception exception) when (!_life.Died && IsWait(exception))
        {
            // Changed in MySQL; the loader does the rest.
        }
    }

    /// <summary>A load that has to wait until orders are written again, or for another load's row.</summary>
    private static bool IsWait(Exception exception) => exception is OrdersMissingException or SkuLockedException;

    private T Get<T>() where T : notnull => _parts.GetRequiredService<T>();

    /// <summary>An hour passes between two readings.</summary>
    private sealed class HurryingClock : TimeProvider
    {
        private long _looks;

        public override long GetTimestamp() => Interlocked.Increment(ref _looks) * 3_600 * TimestampFrequency;
    }
}
