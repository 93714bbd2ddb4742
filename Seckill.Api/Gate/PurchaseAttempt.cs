using System.Diagnostics;
using Seckill.Api.Publishing;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>
/// One request on its way through the lane: first a call to Redis and, once accepted, an order for the broker. The buyer's request waits
/// once, for both, instead of being woken in between.
/// </summary>
internal sealed class PurchaseAttempt(SkuKeys sku, ReserveRequest request, ActivityContext trace, Activity? span) : Publication
{
    private readonly TaskCompletionSource<ReserveResult> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private OrderMessage? _message;

    public ReserveRequest Request => request;

    /// <summary>When the lane accepted it, by <see cref="TimeProvider.GetTimestamp"/>.</summary>
    public long AskedAt { get; set; }

    public override SkuKeys Sku => sku;

    public override OrderMessage Message => _message ?? throw new InvalidOperationException("The click has not been accepted.");

    public override ActivityContext Trace => trace;

    public override string? TraceParent => request.TraceParent;

    /// <summary>Whether Redis has deducted for it: from then on there is an order, even if the message is lost.</summary>
    public bool IsReserved => Volatile.Read(ref _message) is not null;

    /// <summary>
    /// Redis's reply. For an accepted click it completes once the broker has confirmed the order or the order was left to the outbox. Fails
    /// when Redis could not be reached.
    /// </summary>
    public Task<ReserveResult> Answered => _answered.Task;

    /// <summary>Records Redis's reply: the span's duration ends here, although the buyer's request stops the span later.</summary>
    public void EndQuestion(ReserveResult result, int batchSize) => span?
        .SetEndTime(DateTime.UtcNow)
        .SetTag("seckill.outcome", result.Code.ToString())
        .SetTag("db.operation.batch.size", batchSize);

    public void Accept(ReserveReply reply) => Volatile.Write(ref _message, new OrderMessage
    {
        UserId = request.UserId,
        SkuId = sku.SkuId,
        Quantity = request.Quantity,
        ClientOrderNo = request.ClientOrderNo,
        OrderId = request.OrderId,
        ReservedAtMs = reply.NowMs,
        Epoch = reply.Epoch,
        Offer = request.Offer,
    });

    public void Answer(ReserveResult result) => _answered.TrySetResult(result);

    /// <summary>
    /// Only for a click without a reservation. A click with a reservation keeps waiting for the broker: its buyer must not be told that it
    /// failed.
    /// </summary>
    public void Fail(Exception exception)
    {
        if (!IsReserved)
        {
            _answered.TrySetException(exception);
        }
    }

    public override void Complete(bool confirmed) => Answer(new ReserveResult(ReserveCode.Accepted, request.OrderId, 0));
}
