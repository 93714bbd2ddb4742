using System.Globalization;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.MissingOrders;
using Seckill.Api.Snapshots;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// One SKU at one moment. <c>difference</c> = redis_stock + held − committed_unsettled − mysql_stock, <c>store_difference</c> = mysql_stock
/// + live_units + closed_units − units, <c>held_difference</c> = held − units of the reservations in the outbox: all 0 when healthy, null
/// when unknown.
/// <c>sale_gone</c>: MySQL no longer has the sale although Redis holds data for it. <c>lost</c>: orders that would be lost without a
/// repair. <c>unreadable</c>: why Redis's side is unknown: its keys for the SKU hold something else, Redis does not answer, or another
/// session keeps the SKU's row in MySQL locked. Without it, <c>committed_unsettled</c> is null when too many orders are unsettled to be
/// compared.
/// </summary>
public sealed record ReconciliationItem(
    string SkuId, long? RedisStock, long Held, long Unsettled, long Unconfirmed, long? CommittedUnsettled, long? OldestUnsettledAtMs,
    long MysqlStock, long LiveUnits, long? Units, long? Difference, long? StoreDifference, bool Loaded, RepairItem? Repair,
    string? Unreadable, long? HeldDifference = null, LostOrdersItem? Lost = null, bool SaleGone = false, long ClosedUnits = 0);

/// <summary>
/// Orders of the SKU that would be lost without a repair. <c>unwritten</c>: buyers were told SUCCESS and MySQL does not have them; they are
/// published again, and no counter is loaded meanwhile. <c>refused</c>: the same, but MySQL has refused them since. <c>unlisted</c>: they
/// were missing from the outbox. <c>order_ids</c>: the first of them, in this order.
/// </summary>
public sealed record LostOrdersItem(int Unwritten, int Refused, int Unlisted, IReadOnlyList<string> OrderIds);

/// <summary>What a repair of the SKU would do.</summary>
public sealed record RepairItem(bool Load, long ReloadDifference, int Settle, int Republish);

/// <summary>All SKUs. Queue depths are null while the broker does not answer.</summary>
public sealed record ReconciliationResponse(
    bool Healthy, long? QueueReady, long? Workers, long? DeadLetters, long? Parked, IReadOnlyList<ReconciliationItem> Items);

/// <summary>What a repair would do, or did.</summary>
public sealed record RepairResponse(bool Applied, IReadOnlyList<string> Steps);

public static class ReconciliationEndpoints
{
    /// <summary>Maximum number of lost order ids in a response, per SKU.</summary>
    private const int LostIdsShownMax = 20;

    public static IEndpointRouteBuilder MapReconciliation(this IEndpointRouteBuilder routes)
    {
        var ops = routes.MapGroup("/api/ops/reconciliation")
            .RequireAuthorization(LoginState.OperatorPolicy)
            .Audited()
            .AnswersBusyWhenServersFail()
            .NeedsSales()
            .WithTags("Operations");

        ops.MapGet("", ReadAsync)
            .WithName("Reconciliation")
            .WithSummary("Compares Redis and MySQL for every sale, exactly, while it runs.")
            .Produces<ReconciliationResponse>()
            .ProducesErrors(401, 403, 503);
        ops.MapPost("/repair", RepairAsync)
            .WithName("Repair")
            .WithSummary("Shows what a repair would do; with apply=true performs it, audited. Safe while the sale runs.")
            .Produces<RepairResponse>()
            .ProducesErrors(400, 401, 403, 503);
        return routes;
    }

    private static async Task<IResult> ReadAsync(
        SaleCatalogue catalogue, SalesGone gone, ReconciliationReader reader, StuckOrders stuck, QueueDepths queues,
        ILogger<Reconciler> logger, CancellationToken cancellationToken)
    {
        QueueDepth? depth = null;
        try
        {
            depth = await queues.ReadAsync(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The comparison needs no broker.
            ReconciliationLog.DepthUnknown(logger, exception.Message);
        }

        var items = new List<ReconciliationItem>();
        foreach (var skuId in await SkuIdsAsync(catalogue, gone, cancellationToken))
        {
            if (await reader.ReadAsync(skuId, cancellationToken) is { } found)
            {
                items.Add(ToItem(found, depth is null ? null : await stuck.PlanAsync(found, cancellationToken)));
            }
        }

        return TypedResults.Json(
            new ReconciliationResponse(items.TrueForAll(IsHealthy), depth?.Ready, depth?.Workers, depth?.Dead, depth?.Parked, items),
            ApiJson.Web.ReconciliationResponse);
    }

    /// <summary>Whether a SKU's books are known and balance.</summary>
    internal static bool IsHealthy(ReconciliationItem item) => item is
    {
        CommittedUnsettled: not null, Difference: 0 or null, StoreDifference: 0 or null, HeldDifference: 0 or null, Loaded: true,
        Unreadable: null, Lost: null, SaleGone: false,
    };

    // An operator who disconnects does not cancel a repair: each step is bounded by the servers' own time-outs, and a half-finished one
    // leaves a gate closed. A plan alone is cancelled.
    private static async Task<IResult> RepairAsync(
        OperatorCall call, SaleCatalogue catalogue, SalesGone gone, ReconciliationReader reader, StuckOrders stuck, StockWarmUp warmUp,
        AuditLog audit, string? apply, CancellationToken requestAborted)
    {
        if (apply is not (null or "true" or "false"))
        {
            return ErrorResult.BadRequest("apply must be true or false");
        }

        var cancellationToken = apply == "true" ? CancellationToken.None : requestAborted;
        var steps = new List<string>();
        foreach (var skuId in await SkuIdsAsync(catalogue, gone, cancellationToken))
        {
            if (await reader.ReadAsync(skuId, cancellationToken) is not { } found)
            {
                continue;
            }

            var target = string.Create(CultureInfo.InvariantCulture, $"sku {skuId}");
            if (found.Unreadable is { } reason)
            {
                steps.Add($"{target}: nothing, because it cannot be compared, and this call deletes nothing: {reason}");
                continue;
            }

            var plan = await stuck.PlanAsync(found, cancellationToken);
            if (plan.Empty)
            {
                continue;
            }

            steps.Add($"{target}: {plan.Describe()}");
            if (apply == "true")
            {
                await audit.WriteAsync(call, "reconciliation.repair", target, plan.Describe(), cancellationToken);
                var failure = await TryApplyAsync(plan, stuck, warmUp, cancellationToken);
                call.ConcludeNewest(failure is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, failure ?? "");
                if (failure is not null)
                {
                    steps.Add($"{target}: failed: {failure}");
                }
            }
        }

        return TypedResults.Json(new RepairResponse(apply == "true", steps), ApiJson.Web.RepairResponse);
    }

    /// <summary>Null when applied, otherwise the reason why not. A failure at one SKU does not hold up the others.</summary>
    private static async Task<string?> TryApplyAsync(
        RepairPlan plan, StuckOrders stuck, StockWarmUp warmUp, CancellationToken cancellationToken)
    {
        try
        {
            var refused = await stuck.HealAsync(plan, cancellationToken);
            var failures = new List<string>();
            if (refused is [var first, ..])
            {
                failures.Add(string.Create(
                    CultureInfo.InvariantCulture, $"{refused.Count} orders are not settled, {first.OrderId} among them ({first.Code})"));
            }

            // A counter loaded while orders are in the queue would offer their units, and their buyers would be told FAILED.
            if ((plan.Load || plan.Reload != 0) && !await warmUp.ReloadAsync(plan.SkuId, cancellationToken))
            {
                failures.Add("Redis has lost it; it is loaded when the wait for the orders in the queue is over");
            }

            return failures.Count == 0 ? null : string.Join("; ", failures);
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception) || RedisRefusals.IsAboutStoredData(exception))
        {
            return exception.Message;
        }
    }

    private static ReconciliationItem ToItem(SkuReconciliation found, RepairPlan? plan) => new(
        found.SkuId.ToString(CultureInfo.InvariantCulture),
        found.Redis.Stock, found.Redis.Held, found.Redis.Unsettled, found.Redis.Unconfirmed, found.CommittedUnsettledUnits,
        found.OldestUnsettled?.ToUnixTimeMilliseconds(), found.MySqlStock, found.LiveUnits, found.Units, found.Difference,
        found.StoreDifference, found.Loaded,
        plan is null or { Empty: true } ? null : new RepairItem(plan.Load, plan.Reload, plan.Settle.Count, plan.Republished),
        found.Unreadable, found.HeldDifference, ToItem(found.Lost), found.SaleGone, found.ClosedUnits);

    private static async Task<IEnumerable<long>> SkuIdsAsync(
        SaleCatalogue catalogue, SalesGone gone, CancellationToken cancellationToken) =>
        catalogue.KeptSkuIds.Union(await gone.FindAsync(cancellationToken)).Order();

    private static LostOrdersItem? ToItem(LostOrders lost)
    {
        var ids = lost.Unwritten.Concat(lost.Refused).Concat(lost.Unlisted).Take(LostIdsShownMax)
            .Select(id => id.ToString(CultureInfo.InvariantCulture)).ToList();
        return ids.Count == 0 ? null : new LostOrdersItem(lost.Unwritten.Count, lost.Refused.Count, lost.Unlisted.Count, ids);
    }
}

internal static partial class ReconciliationLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "The queue depths are unknown: {Reason}")]
    public static partial void DepthUnknown(ILogger logger, string reason);
}
