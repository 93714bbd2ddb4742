using System.Globalization;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Looks up clicks for answers that are final: a refusal of what may be a repeated click, and "no order". That Redis does not know a click
/// proves nothing while it may have lost some. Reserves nothing. Errors as in <see cref="StockLedger"/>.
/// </summary>
public sealed class ClickLookUp(IConnectionMultiplexer redis, StockRecovery recovery)
{
    /// <summary>The epoch of a counter that was loaded only once.</summary>
    private const long FirstEpoch = 1;

    private readonly IDatabase _database = redis.GetDatabase();

    /// <summary>
    /// The gate's result for a click that was accepted before, by the rules of reserve.lua: <see cref="ReserveCode.Duplicate"/>, or
    /// <see cref="ReserveCode.NumberUsed"/> for another quantity. <see cref="ReserveCode.Cold"/> while Redis may have lost the click; null
    /// for a new one.
    /// </summary>
    public async Task<ReserveResult?> FindAsync(
        SkuKeys sku, long userId, string clientOrderNo, int quantity, CancellationToken cancellationToken)
    {
        // Sent together, the state first: a load opens the gate only after it has restored the clicks.
        var reading = recovery.SnapshotAsync(sku, 0, cancellationToken);
        var finding = _database.HashGetAsync(sku.Clicks, FieldOf(userId, clientOrderNo)).ReplyAsync(cancellationToken);
        await Task.WhenAll(reading, finding);
        var (state, id) = (await reading, await finding);
        if (!id.HasValue)
        {
            return state is { Stock: not null, Epoch: not null, Closed: false, SameServer: not false }
                ? null
                : new ReserveResult(ReserveCode.Cold, 0, 0);
        }

        if (!long.TryParse((string?)id, NumberStyles.None, CultureInfo.InvariantCulture, out var orderId))
        {
            throw new UnreadableKeysException(sku.SkuId, new FormatException($"'{id}' is not an order id."));
        }

        return await QuantityOfAsync(sku, orderId, cancellationToken) is { } before && before != quantity
            ? new ReserveResult(ReserveCode.NumberUsed, 0, 0)
            : new ReserveResult(ReserveCode.Duplicate, orderId, 0);
    }

    /// <summary>
    /// Whether Redis has had a sale's data since its first order and has no reservation of this buyer or click: then MySQL has none either.
    /// A counter that was loaded only once, by the server that answers now, has never been lost.
    /// </summary>
    public async Task<bool> HasNeverHeardOfAsync(SkuKeys sku, long userId, string? clientOrderNo, CancellationToken cancellationToken)
    {
        var reading = recovery.SnapshotAsync(sku, 0, cancellationToken);
        var hearing = (clientOrderNo is null
            ? _database.HashExistsAsync(sku.Buyers, userId)
            : _database.HashExistsAsync(sku.Clicks, FieldOf(userId, clientOrderNo))).ReplyAsync(cancellationToken);
        await Task.WhenAll(reading, hearing);
        return await reading is { Stock: not null, Epoch: FirstEpoch, Closed: false, SameServer: true } && !await hearing;
    }

    /// <summary>Null when it is unknown: a load restores a click without its order, and may not know its quantity.</summary>
    private async Task<int?> QuantityOfAsync(SkuKeys sku, long orderId, CancellationToken cancellationToken)
    {
        var order = _database.HashGetAsync(sku.Orders, orderId);
        var restored = _database.HashGetAsync(sku.Clicks, $"#{orderId}");
        await Task.WhenAll(order, restored).ReplyAsync(cancellationToken);
        var (record, quantity) = (await order, await restored);
        return record.HasValue && Reservation.TryParse(orderId, record!, out var reservation) ? reservation.Quantity
            : quantity.HasValue && quantity.TryParse(out int units) ? units
            : null;
    }

    private static string FieldOf(long userId, string clientOrderNo) =>
        string.Create(CultureInfo.InvariantCulture, $"{userId}:{clientOrderNo}");
}
