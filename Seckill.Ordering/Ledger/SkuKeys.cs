using System.Globalization;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>The Redis keys of one SKU, all in one cluster slot: the tag in braces is the stock key's whole name.</summary>
public sealed class SkuKeys
{
    public SkuKeys(long skuId)
    {
        SkuId = skuId;
        var stock = string.Create(CultureInfo.InvariantCulture, $"stock:sku:{skuId}");
        Stock = stock;
        Sale = $"{{{stock}}}:sale";
        Orders = $"{{{stock}}}:orders";
        Buyers = $"{{{stock}}}:buyers";
        Clicks = $"{{{stock}}}:clicks";
        Outbox = $"{{{stock}}}:outbox";
        All = [Stock, Sale, Orders, Buyers, Clicks, Outbox];
    }

    public long SkuId { get; }

    /// <summary>String: sellable units, an integer.</summary>
    public RedisKey Stock { get; }

    /// <summary>Hash: window, limit, epoch of the counter, units held by unsettled reservations, reservations so far.</summary>
    public RedisKey Sale { get; }

    /// <summary>Hash: order id → reservation, as record.lua describes it.</summary>
    public RedisKey Orders { get; }

    /// <summary>Hash: user id → units and newest order id, as record.lua describes them.</summary>
    public RedisKey Buyers { get; }

    /// <summary>Hash: user id:client_order_no → order id.</summary>
    public RedisKey Clicks { get; }

    /// <summary>
    /// Sorted set: every unsettled order id. Without a publisher confirm its score is the time (ms) of the last attempt; with one, the time
    /// of the confirm plus <see cref="StockLedger.ConfirmedScore"/>.
    /// </summary>
    public RedisKey Outbox { get; }

    /// <summary>All keys, in the order of the scripts' KEYS.</summary>
    internal RedisKey[] All { get; }
}
