using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>Writes the arguments of the ledger's hot-path scripts.</summary>
internal static class LedgerArguments
{
    private const string OfferAsBefore = "=";

    /// <summary>The arguments of reserve.lua.</summary>
    public static RedisValue[] OfReserve(IReadOnlyList<ReserveRequest> requests, long notAfterMs)
    {
        var arguments = new RedisValue[1 + (requests.Count * 6)];
        arguments[0] = notAfterMs;
        for (var i = 0; i < requests.Count; i++)
        {
            var request = requests[i];
            var at = i * 6;
            arguments[at + 1] = request.OrderId;
            arguments[at + 2] = request.UserId;
            arguments[at + 3] = request.Quantity;
            arguments[at + 4] = request.ClientOrderNo ?? "";
            arguments[at + 5] = request.TraceParent ?? "";
            arguments[at + 6] = i > 0 && request.Offer == requests[i - 1].Offer ? OfferAsBefore : request.Offer ?? "";
        }

        return arguments;
    }

    /// <summary>The arguments of settle.lua.</summary>
    public static RedisValue[] OfSettle(SkuKeys sku, IReadOnlyList<Settlement> settlements)
    {
        var arguments = new RedisValue[2 + (settlements.Count * 9)];
        arguments[0] = StockLedger.OutcomeChannel;
        arguments[1] = sku.SkuId;
        for (var i = 0; i < settlements.Count; i++)
        {
            var s = settlements[i];
            var at = 2 + (i * 9);
            arguments[at] = s.OrderId;
            arguments[at + 1] = s.Success ? "S" : "F";
            arguments[at + 2] = s.Detail;
            arguments[at + 3] = s.StockDeducted ? 1 : 0;
            arguments[at + 4] = s.CommittedEpoch;
            arguments[at + 5] = s.Quantity;
            arguments[at + 6] = s.UserId;
            arguments[at + 7] = s.ClientOrderNo ?? "";
            arguments[at + 8] = s.MessageEpoch ?? -1;
        }

        return arguments;
    }
}
