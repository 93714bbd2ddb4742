using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.MissingOrders;

/// <summary>Orders of one SKU that Redis has and that would be lost without a repair.</summary>
/// <param name="Unwritten">Their buyers were told SUCCESS, and MySQL has neither the orders nor refusals: it was restored to an older
/// state.</param>
/// <param name="Refused">The same, but MySQL has refused them since: publishing again does not help, an operator decides.</param>
/// <param name="Unlisted">Undecided, and missing from the outbox, from which they would be published.</param>
public sealed record LostOrders(IReadOnlyList<long> Unwritten, IReadOnlyList<long> Refused, IReadOnlyList<long> Unlisted)
{
    public static readonly LostOrders None = new([], [], []);

    /// <summary>Orders that publishing again repairs.</summary>
    public IEnumerable<long> Republishable => Unwritten.Concat(Unlisted);
}

/// <summary>
/// Finds a SKU's orders whose buyers were told SUCCESS and which MySQL does not have. It reads all of the SKU's orders in Redis, so it runs
/// only when something is wrong; see <see cref="LossWatch"/> and <see cref="LoadGuard"/>.
/// </summary>
public sealed class MissingOrderSearch(
    IServiceScopeFactory scopes, StockRecovery recovery, IOptions<MissingOrderOptions> options)
{
    /// <summary>Maximum number of orders found in one search. Once these are written again, the next search finds more.</summary>
    private const int FoundMax = 10_000;

    /// <exception cref="StackExchange.Redis.RedisException">Redis does not answer, or has something else under the SKU's keys.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<LostOrders> RunAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var lookBack = TimeSpan.FromHours(options.Value.LookBackHours);
        var (missing, unlisted) = (new Dictionary<string, long>(), new HashSet<long>());
        // Numbers that were told for an order which was then published again, and so was written under a number of its own. One order is
        // enough for a number: the worker takes any further one for its duplicate.
        var written = new HashSet<string>();
        await foreach (var page in recovery.ReviewAsync(sku, lookBack, cancellationToken))
        {
            // Queried only now, and without a read view: orders that Redis reports as settled were committed before.
            var unnumbered = await WithoutNumberAsync(context, page.Told, cancellationToken);
            var ids = await WrittenAsync(context, unnumbered, cancellationToken);
            foreach (var told in unnumbered)
            {
                if (ids.Contains(told.OrderId))
                {
                    written.Add(told.OrderSn);
                    missing.Remove(told.OrderSn);
                }
                else if (!written.Contains(told.OrderSn)
                    && (!missing.ContainsKey(told.OrderSn) || told.OrderSn == told.OrderId.ToString(CultureInfo.InvariantCulture)))
                {
                    // A repeated click names the order of an earlier reservation; that is the one to publish if Redis has it.
                    missing[told.OrderSn] = told.OrderId;
                }
            }

            unlisted.UnionWith(page.Unlisted);
            if (missing.Count + unlisted.Count >= FoundMax)
            {
                break;
            }
        }

        var refused = await RefusedAsync(context, missing.Values, cancellationToken);
        return new LostOrders(
            [.. missing.Values.Where(id => !refused.Contains(id)).Order()], [.. refused.Order()], [.. unlisted.Order()]);
    }

    /// <summary>Those whose number no order in MySQL has.</summary>
    private static async Task<List<ToldOrder>> WithoutNumberAsync(
        OrderingDbContext context, IReadOnlyList<ToldOrder> told, CancellationToken cancellationToken)
    {
        if (told.Count == 0)
        {
            return [];
        }

        var numbers = told.Select(order => order.OrderSn).ToArray();
        var there = (await context.Orders.Where(order => numbers.Contains(order.OrderSn)).Select(order => order.OrderSn)
            .ToListAsync(cancellationToken)).ToHashSet();
        return [.. told.Where(order => !there.Contains(order.OrderSn))];
    }

    /// <summary>The ids among these that MySQL has an order of.</summary>
    private static async Task<HashSet<long>> WrittenAsync(
        OrderingDbContext context, List<ToldOrder> told, CancellationToken cancellationToken)
    {
        if (told.Count == 0)
        {
            return [];
        }

        var ids = told.Select(order => order.OrderId).ToArray();
        return (await context.Orders.Where(order => ids.Contains(order.Id)).Select(order => order.Id).ToListAsync(cancellationToken))
            .ToHashSet();
    }

    private static async Task<HashSet<long>> RefusedAsync(
        OrderingDbContext context, IReadOnlyCollection<long> orderIds, CancellationToken cancellationToken)
    {
        var refused = new HashSet<long>();
        foreach (var ids in orderIds.Chunk(1_000))
        {
            refused.UnionWith(await context.OrderRejections.Where(rejection => ids.Contains(rejection.OrderId))
                .Select(rejection => rejection.OrderId).ToListAsync(cancellationToken));
        }

        return refused;
    }
}
