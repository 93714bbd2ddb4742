using System.Data;
using System.Globalization;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Audit;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Api.Gate;
using Seckill.Api.Snapshots;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Sales;

/// <summary>The current sale, or why nothing was changed.</summary>
internal readonly record struct SaleResult(OperatorSale? Sale, ErrorResult? Error);

/// <summary>
/// Changes sales. MySQL first, in one transaction; then the gate, from MySQL's committed state. So the gate never offers units that MySQL
/// does not have. If the process dies in between, every instance's loader detects the change by itself: the terms differ from those it
/// knows, or the load differs from the one in Redis.
/// </summary>
internal sealed partial class SaleOperations(
    IServiceScopeFactory scopes, SaleRecords records, StockRecovery recovery, StockLoad load, SaleCatalogue catalogue, GateLanes lanes,
    AuditLog audit, ILogger<SaleOperations> logger)
{
    private const int CreateTriesMax = 5;

    private static readonly ErrorResult IdTaken = ErrorResult.Conflict(
        "sku_id is taken", "A SKU has this id: another one, or this is a repeat and the first request took effect.");
    private static readonly ErrorResult IdRemembered = ErrorResult.Conflict(
        "sku_id is taken", "There is still data of an earlier SKU with this id, whose orders would become the new one's.");
    private static readonly ErrorResult NoFreeId = ErrorResult.Conflict(
        "no free sku_id", $"There is data under the next {SaleRecords.IdsSkippedMax} ids, which MySQL does not list; choose a sku_id.");

    public async Task<SaleResult> CreateAsync(OperatorCall call, CreateSaleRequest request, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < CreateTriesMax; tries++)
        {
            var (skuId, taken) = await ChooseIdAsync(request.SkuId, cancellationToken);
            if (taken is not null)
            {
                return new SaleResult(null, taken);
            }

            await AuditAsync(
                call, "sale.create", skuId, JsonSerializer.Serialize(request, ApiJson.Web.CreateSaleRequest), cancellationToken);
            Product? product;
            try
            {
                product = await records.TryAddAsync(skuId, request, cancellationToken);
            }
            catch (Exception exception) when (ServerFailures.IsOf(exception))
            {
                // The commit may have succeeded and its acknowledgement been lost. A repeat without an id would create another sale.
                LogUnconfirmed(skuId, exception.Message);
                return new SaleResult(null, ErrorResult.BusyWith(
                    Text($"SKU {skuId} may have been created. Look before you repeat the request, and give it this sku_id then.")));
            }

            if (product is not null)
            {
                return await ConcludeCreationAsync(product, cancellationToken);
            }

            call.ConcludeNewest(StatusCodes.Status409Conflict, "another request was faster");
        }

        // Lost the race at every attempt.
        return new SaleResult(null, ErrorResult.Busy);
    }

    public async Task<SaleResult> EditAsync(OperatorCall call, long skuId, EditSaleRequest request, CancellationToken cancellationToken)
    {
        await AuditAsync(call, "sale.edit", skuId, JsonSerializer.Serialize(request, ApiJson.Web.EditSaleRequest), cancellationToken);
        return await ChangeAsync(skuId, (sku, sale) => Edit(sku, sale, request), cancellationToken);
    }

    /// <summary>Pauses or resumes. When this returns, the gate enforces it for all instances.</summary>
    public async Task<SaleResult> PauseAsync(OperatorCall call, long skuId, bool paused, CancellationToken cancellationToken)
    {
        await AuditAsync(call, paused ? "sale.pause" : "sale.resume", skuId, "", cancellationToken);
        return await ChangeAsync(
            skuId,
            (_, sale) =>
            {
                sale.Paused = paused;
                return null;
            },
            cancellationToken);
    }

    /// <summary>
    /// Puts more units on sale, even while it runs. With the new stock MySQL records a new load that Redis does not have yet. From then on
    /// the counter in Redis, which lacks these units, is outdated; the first process to notice loads it again.
    /// </summary>
    public async Task<SaleResult> AddStockAsync(
        OperatorCall call, long skuId, AddStockRequest request, CancellationToken cancellationToken)
    {
        var (add, before) = (request.Add!.Value, request.UnitsBefore!.Value);
        await AuditAsync(call, "sale.add-stock", skuId, JsonSerializer.Serialize(request, ApiJson.Web.AddStockRequest), cancellationToken);
        // Fails before anything is changed if Redis does not answer or cannot read the SKU's keys.
        await recovery.SnapshotAsync(new SkuKeys(skuId), 0, cancellationToken);
        return await ChangeAsync(
            skuId,
            (sku, sale) =>
            {
                if (sale.Units != before)
                {
                    return Conflict(sale.Units is { } units ? Text($"units are {units} now") : "units are not known");
                }

                if ((long)Math.Max(before, sku.Stock) + add > SaleRules.UnitsInAllMax)
                {
                    return ErrorResult.BadRequest(Text($"units would be more than {SaleRules.UnitsInAllMax}"));
                }

                sku.Stock += add;
                sale.Units = before + add;
                // 0: never loaded, so no counter can be outdated.
                if (sku.GateEpoch > 0)
                {
                    (sku.GateEpoch, sku.GateLoad) = new LoadId(sku.GateEpoch, sku.GateLoad).Raised();
                }

                return null;
            },
            cancellationToken);

        static ErrorResult Conflict(string error) =>
            ErrorResult.Conflict(
                error, "Nothing was added. Somebody else has added units, or this is a repeat and the first request took effect.");
    }

    /// <summary>The wanted id, or the next free one; or why there is none.</summary>
    private async Task<(long SkuId, ErrorResult? Error)> ChooseIdAsync(long? wanted, CancellationToken cancellationToken)
    {
        if (wanted is { } id)
        {
            return (id, await records.ExistsAsync(id, cancellationToken) ? IdTaken
                : await records.IsRememberedAsync(id, cancellationToken) || await records.HasHistoryAsync(id, cancellationToken)
                    ? IdRemembered
                : null);
        }

        var next = await records.NextFreeSkuIdAsync(cancellationToken);
        return (next ?? 0, next is null ? NoFreeId : next > SaleRules.SkuIdMax ? IdTaken : null);
    }

    private static ErrorResult? Edit(ProductSku sku, SeckillSale sale, EditSaleRequest request)
    {
        var starts = request.StartsAtMs ?? SaleRecords.Milliseconds(sale.StartsAt);
        var ends = request.EndsAtMs ?? SaleRecords.Milliseconds(sale.EndsAt);
        if (SaleRules.ValidateWindow(starts, ends) is { } fault)
        {
            return ErrorResult.BadRequest(fault);
        }

        if (request.Title is { } title)
        {
            // A product created with its only SKU has the same title.
            if (sku.Product is { Skus.Count: 1 } product && product.Title == sku.Title)
            {
                product.Title = title;
            }

            sku.Title = title;
        }

        sku.Price = request.Price ?? sku.Price;
        sale.ListPrice = request.ListPrice ?? sale.ListPrice;
        if (request.LimitPerUser is { } limit)
        {
            sale.LimitHighest = limit < sale.LimitPerUser ? Math.Max(sale.LimitHighest ?? 0, sale.LimitPerUser) : sale.LimitHighest;
            sale.LimitPerUser = limit;
        }

        sale.StartsAt = request.StartsAtMs is null ? sale.StartsAt : SaleRecords.Time(starts);
        sale.EndsAt = request.EndsAtMs is null ? sale.EndsAt : SaleRecords.Time(ends);
        return null;
    }

    /// <summary>Runs under the SKU's row lock, so that no order is written and no counter is loaded meanwhile.</summary>
    private async Task<SaleResult> ChangeAsync(
        long skuId, Func<ProductSku, SeckillSale, ErrorResult?> change, CancellationToken cancellationToken)
    {
        var (raisedFrom, addedUnits) = ((LoadId?)null, 0);
        await using (var scope = scopes.CreateAsyncScope())
        {
            var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
            await using var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
            var sku = await SkuRowLock.TakeAsync(context, skuId, cancellationToken);
            var sale = await context.SeckillSales.SingleOrDefaultAsync(s => s.SkuId == skuId, cancellationToken);
            if (sku is null || sale is null)
            {
                return new SaleResult(null, ErrorResult.UnknownSku);
            }

            context.Attach(sku);
            await context.Products.Include(product => product.Skus).Where(product => product.Id == sku.ProductId)
                .LoadAsync(cancellationToken);
            var (load, stock) = (new LoadId(sku.GateEpoch, sku.GateLoad), sku.Stock);
            if (change(sku, sale) is { } error)
            {
                return new SaleResult(null, error);
            }

            if (SaleCatalogue.FaultOf(sale) is { } fault)
            {
                return new SaleResult(null, ErrorResult.BadRequest(fault, "Set starts_at_ms and ends_at_ms; nothing was changed."));
            }

            (raisedFrom, addedUnits) = (sku.GateEpoch == load.Epoch ? null : load, sku.Stock - stock);
            await context.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        return await ConcludeAsync(skuId, raisedFrom, addedUnits, cancellationToken);
    }

    /// <summary>
    /// Now that the sale is in MySQL, every loader puts it on. A failure here must not be answered with the advice to try again: without a
    /// SKU id in the request, that would create another sale.
    /// </summary>
    private async Task<SaleResult> ConcludeCreationAsync(Product product, CancellationToken cancellationToken)
    {
        var sku = product.Skus.Single();
        try
        {
            return await ConcludeAsync(sku.Id, null, 0, cancellationToken);
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception))
        {
            LogNotLoaded(sku.Id, exception.Message);
            return new SaleResult(SaleRecords.Of(sku, product, sku.Sale!, redisStock: null), null);
        }
    }

    private async Task<SaleResult> ConcludeAsync(
        long skuId, LoadId? raisedFrom, int addedUnits, CancellationToken cancellationToken)
    {
        CrashPoint.Reach(CrashPoint.SaleChanged);
        await load.ApplyAsync(skuId, raisedFrom, addedUnits, cancellationToken);
        await catalogue.RefreshAsync(cancellationToken);
        lanes.Reopen(skuId);
        return new SaleResult(await records.FindAsync(skuId, cancellationToken), null);
    }

    private Task AuditAsync(OperatorCall call, string action, long skuId, string detail, CancellationToken cancellationToken) =>
        audit.WriteAsync(call, action, Text($"sku {skuId}"), detail, cancellationToken);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: the sale was created and will be loaded later: {Reason}")]
    private partial void LogNotLoaded(long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: it is unknown whether the sale was created: {Reason}")]
    private partial void LogUnconfirmed(long skuId, string reason);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
