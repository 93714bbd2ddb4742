using Seckill.Ordering.Ledger;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Settling;

/// <summary>Turns a committed verdict into the settlement of a reservation.</summary>
internal static class OrderSettlement
{
    /// <summary>
    /// The settlement of an order; null for none. If another producer's message is a duplicate, no buyer queries its id. If the message id
    /// proves that it is the same message, a worker may have committed the first copy and died before settling, so the first order is
    /// settled.
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
            if (order.ClickNo?.StartsWith(OrderIntake.MessageIdPrefix, StringComparison.Ordinal) != true)
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
