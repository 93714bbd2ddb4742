using System.Data;
using Microsoft.EntityFrameworkCore;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.DeadLetters;

/// <summary>The outcome of abandoning a letter. Of a letter with several orders, the highest one counts.</summary>
internal enum AbandonOutcome
{
    /// <summary>There is no order of this system behind it, so there was nothing to return.</summary>
    NothingHeld,

    /// <summary>Its order is FAILED, by this call or an earlier one; the reserved units were returned once.</summary>
    Failed,

    /// <summary>
    /// MySQL refuses its order, but what Redis has under the order's id is another buyer's or not in our format, and was left alone. The
    /// reconciler settles the order once Redis's data is repaired.
    /// </summary>
    Unsettled,

    /// <summary>MySQL refuses its order, but its buyer was told SUCCESS before, which stays: an operator must contact the buyer.</summary>
    Contradicted,

    /// <summary>Its order exists in MySQL, or its buyer was told SUCCESS: nothing was changed, and the letter stays too.</summary>
    AlreadyAnOrder,
}

/// <param name="Outcome">What happened.</param>
/// <param name="OrderId">The order concerned; null when it is not an order of this system.</param>
/// <param name="IsMissing">Whether an order that its buyer was told of does not exist in MySQL, which must have lost it.</param>
internal readonly record struct Abandonment(AbandonOutcome Outcome, long? OrderId, bool IsMissing = false);

/// <summary>
/// Fails the order of a letter exactly once, whichever process crashes. First it writes the refusal to MySQL under the lock that the worker
/// also takes, so the order can no longer be written. Then it settles in Redis, which returns only the units of a pending reservation. An
/// order whose buyer was told SUCCESS is not refused here: it can be written again.
/// </summary>
internal sealed class OrderAbandonment(IServiceScopeFactory scopes, StockLedger ledger, TimeProvider time)
{
    /// <summary>The reason shown to the buyer.</summary>
    public const string Reason = "abandoned by the shop";

    private sealed record Claim(
        long OrderId, long UserId, SkuKeys Sku, int Quantity, string? ClientOrderNo, long? Epoch, bool IsToldSuccess = false);

    /// <summary>MySQL's side of an order.</summary>
    /// <param name="OrdersUser">The buyer of the existing order; null without one.</param>
    /// <param name="Reason">Why the order is refused; null when it is not.</param>
    /// <param name="Epoch">The SKU's gate epoch.</param>
    private readonly record struct Decision(long? OrdersUser, string? Reason, long Epoch);

    /// <summary>
    /// Fails the orders of a letter; usually there is one. If one order of a batch already exists in MySQL, the others are failed and the
    /// letter stays, so that a replay finds each order in its final state.
    /// </summary>
    public async Task<Abandonment> ApplyAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        var whole = new Abandonment(AbandonOutcome.NothingHeld, null);
        foreach (var body in DeadLetterBody.PartsOf(letter.Body))
        {
            var part = await ApplyAsync(letter, body, cancellationToken);
            whole = part.Outcome >= whole.Outcome ? part : whole;
        }

        return whole;
    }

    private async Task<Abandonment> ApplyAsync(DeadLetter letter, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        if (await ClaimOfAsync(body, cancellationToken) is not { } claim)
        {
            return new Abandonment(AbandonOutcome.NothingHeld, null);
        }

        var decision = await RejectAsync(claim, letter.TraceId ?? "", cancellationToken);
        if (decision.OrdersUser is { } ordersUser)
        {
            // Another buyer's order has this id: the message is wrong, and it holds no units of its own.
            return ordersUser == claim.UserId
                ? new Abandonment(AbandonOutcome.AlreadyAnOrder, claim.OrderId)
                : new Abandonment(AbandonOutcome.NothingHeld, null);
        }

        if (decision.Reason is not { } reason)
        {
            return new Abandonment(AbandonOutcome.AlreadyAnOrder, claim.OrderId, IsMissing: true);
        }

        CrashPoint.Reach(CrashPoint.RejectionWritten);
        using var span = OrderingTelemetry.StartScript("settle", letter.Trace);
        var codes = await ledger.SettleAsync(
            claim.Sku,
            [new Settlement(
                claim.OrderId, Success: false, reason, StockDeducted: false, decision.Epoch, claim.Quantity, claim.UserId,
                claim.ClientOrderNo, claim.Epoch)],
            cancellationToken);
        return new Abandonment(OutcomeOf(codes[0]), claim.OrderId);
    }

    /// <summary>
    /// What became of a refusal in Redis. An order that Redis has forgotten holds nothing there, and MySQL answers its buyer.
    /// </summary>
    private static AbandonOutcome OutcomeOf(SettleCode code) => code switch
    {
        SettleCode.Contradicted => AbandonOutcome.Contradicted,
        SettleCode.OtherBuyer or SettleCode.Unreadable => AbandonOutcome.Unsettled,
        _ => AbandonOutcome.Failed,
    };

    /// <summary>
    /// Identifies the order's buyer. The reservation decides; without one (Redis lost it, or settled and forgot it) a valid body does. Null
    /// when the body has no order id of this system, or the reservation with that id is another buyer's.
    /// </summary>
    private async Task<Claim?> ClaimOfAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var members = DeadLetterBody.OrderOf(body);
        if (!long.TryParse(members?.OrderId, out var orderId) || orderId <= 0 || !long.TryParse(members?.SkuId, out var skuId)
            || skuId <= 0)
        {
            return null;
        }

        var sku = new SkuKeys(skuId);
        if (await ledger.FindAsync(sku, orderId, cancellationToken) is { } reservation)
        {
            var isOthers = long.TryParse(members.UserId, out var userId) && userId != reservation.UserId;
            return isOthers
                ? null
                : new Claim(
                    orderId, reservation.UserId, sku, reservation.Quantity, reservation.ClientOrderNo, reservation.Epoch,
                    IsToldSuccess: reservation.State == OrderState.Success);
        }

        return DeadLetterBody.ValidOrderOf(body) is { } message
            ? new Claim(orderId, message.UserId, sku, message.Quantity, message.ClientOrderNo, message.Epoch)
            : null;
    }

    /// <summary>Writes the refusal, unless a refusal or the order already exists, or the buyer was told SUCCESS.</summary>
    /// <exception cref="SkuLockedException">Another session keeps the SKU's row locked; nothing was written.</exception>
    private async Task<Decision> RejectAsync(Claim claim, string traceId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await using var transaction = await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var skuId = claim.Sku.SkuId;
        var sku = await SkuRowLock.TakeAsync(context, skuId, cancellationToken);
        // Separate statements after the lock: under READ COMMITTED they see everything that a previous holder of the lock has committed.
        var order = await context.Orders.AsNoTracking().Where(o => o.Id == claim.OrderId).Select(o => (long?)o.UserId)
            .SingleOrDefaultAsync(cancellationToken);
        var standing = await context.OrderRejections.AsNoTracking()
            .SingleOrDefaultAsync(r => r.OrderId == claim.OrderId, cancellationToken);
        var isNew = order is null && standing is null && !claim.IsToldSuccess;
        if (isNew)
        {
            context.OrderRejections.Add(new OrderRejection
            {
                OrderId = claim.OrderId,
                UserId = claim.UserId,
                SkuId = skuId,
                Quantity = claim.Quantity,
                ClientOrderNo = claim.ClientOrderNo,
                Reason = Reason,
                TraceId = traceId,
                CreatedAt = time.GetUtcNow().UtcDateTime,
            });
            await context.SaveChangesAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return new Decision(order, isNew ? Reason : standing?.Reason, sku?.GateEpoch ?? 0);
    }
}
