using System.Threading.RateLimiting;
using Microsoft.Extensions.Options;

namespace Seckill.Api.Limits;

/// <summary>
/// Limits the orders handled at once: a few for each buyer, from the moment the buyer is known, and a bounded number in total, from the
/// moment an order has been read completely. So a client that sends slowly occupies only its own places.
/// </summary>
internal sealed class PurchaseSlots(IOptions<LimitOptions> options) : IDisposable
{
    private readonly LimitOptions _options = options.Value;
    private readonly BuyerCounts _buyers = new(options.Value.UserPurchasesInFlightMax);
    private readonly ConcurrencyLimiter? _all = options.Value.PurchasesInFlightMax == 0 ? null : new(new ConcurrencyLimiterOptions
    {
        PermitLimit = options.Value.PurchasesInFlightMax,
        QueueLimit = options.Value.PurchasesWaitingMax,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    /// <summary>One of the buyer's own places; null when all of them are taken.</summary>
    public BuyerSlot? TryEnter(long userId) => _buyers.TryEnter(userId);

    /// <summary>How many of a buyer's places are taken.</summary>
    internal int TakenBy(long userId) => _buyers.TakenBy(userId);

    /// <summary>
    /// A place among all orders, at once or after a bounded wait. The lease is not acquired if no place became free; null when there is no
    /// limit.
    /// </summary>
    public async ValueTask<RateLimitLease?> EnterAsync(CancellationToken cancellationToken) =>
        _all is null ? null : await _all.AcquireWithinAsync(_options.PurchaseWaitMsMax, cancellationToken);

    public void Dispose() => _all?.Dispose();
}

/// <summary>
/// Counts by buyer in a fixed-size table without locks. Buyers whose hashes collide share a limit, which is rare with a few thousand
/// requests at once. Randomly seeded, so collisions cannot be provoked.
/// </summary>
internal sealed class BuyerCounts(int each)
{
    /// <summary>4 bytes each.</summary>
    private const int SlotCount = 1 << 18;

    private readonly int[] _counts = each > 0 ? new int[SlotCount] : [];
    private readonly ulong _seed = (ulong)Random.Shared.NextInt64() | 1;

    /// <summary>Null when the buyer has used all allowed places.</summary>
    public BuyerSlot? TryEnter(long userId)
    {
        if (each <= 0)
        {
            return default(BuyerSlot);
        }

        var slot = SlotOf(userId);
        if (Interlocked.Increment(ref _counts[slot]) <= each)
        {
            return new BuyerSlot(this, slot);
        }

        Interlocked.Decrement(ref _counts[slot]);
        return null;
    }

    public int TakenBy(long userId) => each > 0 ? Volatile.Read(ref _counts[SlotOf(userId)]) : 0;

    private int SlotOf(long userId) => (int)(RequestWindows.Mix((ulong)userId, _seed) & (SlotCount - 1));

    internal void Leave(int slot) => Interlocked.Decrement(ref _counts[slot]);
}

/// <summary>Returns the place when disposed; must be disposed once.</summary>
internal readonly struct BuyerSlot(BuyerCounts counts, int slot) : IDisposable
{
    public void Dispose() => counts?.Leave(slot);
}
