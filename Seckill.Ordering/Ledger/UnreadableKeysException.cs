using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>The data under a SKU's keys is not in our format.</summary>
public sealed class UnreadableKeysException(long skuId, Exception cause)
    : RedisException($"The data in Redis under the keys of SKU {skuId} cannot be read: {cause.Message}", cause);
