using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>Under a SKU's keys stands something that is none of ours.</summary>
public sealed class UnreadableKeysException(long skuId, Exception cause)
    : RedisException($"What Redis holds under the keys of SKU {skuId} cannot be read: {cause.Message}", cause);
