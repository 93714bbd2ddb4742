using System.Diagnostics;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Publishing;

/// <summary>An order that the sweeper found in the outbox.</summary>
internal sealed class SweptOrder : Publication
{
    private readonly TaskCompletionSource<bool> _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public SweptOrder(SkuKeys sku, Reservation reservation)
    {
        Sku = sku;
        TraceParent = reservation.TraceParent;
        // The click may have come through another process.
        _ = ActivityContext.TryParse(reservation.TraceParent, null, isRemote: true, out var trace);
        Trace = trace;
        Message = new OrderMessage
        {
            UserId = reservation.UserId,
            SkuId = sku.SkuId,
            Quantity = reservation.Quantity,
            ClientOrderNo = reservation.ClientOrderNo,
            OrderId = reservation.OrderId,
            ReservedAtMs = reservation.ReservedAtMs,
            // An order from another producer was not deducted from any counter.
            Epoch = reservation.Epoch < 0 ? null : reservation.Epoch,
            Offer = reservation.Offer,
        };
    }

    public override SkuKeys Sku { get; }

    public override OrderMessage Message { get; }

    public override ActivityContext Trace { get; }

    public override string? TraceParent { get; }

    /// <summary>Completes, and never fails: true once the order is confirmed, false once it is left to the outbox again.</summary>
    public Task<bool> Confirmed => _completed.Task;

    public override void Complete(bool confirmed) => _completed.SetResult(confirmed);
}
