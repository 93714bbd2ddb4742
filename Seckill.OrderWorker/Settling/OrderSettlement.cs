using Seckill.Ordering.Ledger;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Settling;

/// <summary>Turns a committed verdict into the settlement of a reservation.</summary>
internal static class OrderSettlement
{
    /// <summary>
    /// The settlement of an order; null for none. If another producer's message is a duplicate, no buyer queries its own id. A worker may
    /// have committed the first copy and died before settling it; no outbox has that order, so it is settled with each duplicate. If a gate
    /// reserved the first order, its own message settles it, with the epoch that this one lacks.
    /// </summary>
    public static Settlement? Of(OrderInHand order)
    {
        if (order.Verdict is not { } verdict)
        {
            return null;
        }

        var message = order.Message;
        var (id, deducted) = (order.OrderId, verdict.StockDeducted);
        if (verdict.Kind == VerdictKind.DuplicateClick && !order.FromGate)
        {
            if (verdict.IsFirstReserved)
            {
                return null;
            }

            (id, deducted) = (verdict.OrderId, true);
        }

        return new Settlement(
            id, verdict.Success, verdict.Detail, deducted, verdict.CommittedEpoch, message.Quantity, message.UserId, message.ClientOrderNo,
            order.FromGate ? message.Epoch : null);
    }
}
