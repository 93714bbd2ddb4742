using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.MissingOrders;

/// <summary>Orders of one SKU that Redis has and that would come to nothing.</summary>
/// <param name="Unwritten">Their buyers were told SUCCESS, and MySQL has neither them nor a refusal: it has come back with less.</param>
/// <param name="Refused">The same, but MySQL has refused them since: no repeat helps, an operator decides.</param>
/// <param name="Unlisted">Without a verdict, and no longer in the outbox, from which they would be published.</param>
public sealed record LostOrders(IReadOnlyList<long> Unwritten, IReadOnlyList<long> Refused, IReadOnlyList<long> Unlisted)
{
    public static readonly LostOrders None = new([], [], []);

    /// <summary>Orders that publishing again repairs.</summary>
    public IEnumerable<long> Republishable => Unwritten.Concat(Unlisted);
}

/// <summary>
/// Looks for a SKU's orders whose buyers were told SUCCESS and which MySQL does not have. It goes through all of the SKU's orders in Redis,
/// so it is for when something is wrong, see <see cref="LossWatch"/> and <see cref="LoadGuard"/>.
/// </summary>
public sealed class MissingOrderSearch(
    IServiceScopeFactory scopes, StockRecovery recovery, IOptions<MissingOrderOptions> options, TimeProvider time)
{
    /// <summary>Orders found in one search. When these are written again, the next search finds more.</summary>
    private const int FoundMax = 10_000;

    /// <exception cref="StackExchange.Redis.RedisException">Redis does not answer, or has something else under the SKU's keys.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL does not answer.</exception>
    public async Task<LostOrders> RunAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var since = time.GetUtcNow().AddHours(-options.Value.LookBackHours);
        var (missing, unlisted) = (new Dictionary<string, long>(), new HashSet<long>());
        await foreach (var page in recovery.ReviewAsync(sku, since, cancellationToken))
        {
            // Asked only now, and without a view of its own: what Redis calls settled had been committed before.
            foreach (var told in await WithoutOrderAsync(context, page.Told, cancellationToken))
            {
                // A click that was known before names the order of another reservation, which is the one to publish if Redis has it.
                if (!missing.ContainsKey(told.OrderSn) || told.OrderSn == told.OrderId.ToString(CultureInfo.InvariantCulture))
                {
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

    private static async Task<IEnumerable<ToldOrder>> WithoutOrderAsync(
        OrderingDbContext context, IReadOnlyList<ToldOrder> told, CancellationToken cancellationToken)
    {
        if (told.Count == 0)
        {
            return [];
        }

        var numbers = told.Select(order => order.OrderSn).ToArray();
        var there = (await context.Orders.Where(order => numbers.Contains(order.OrderSn)).Select(order => order.OrderSn)
            .ToListAsync(cancellationToken)).ToHashSet();
        return told.Where(order => !there.Contains(order.OrderSn));
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
