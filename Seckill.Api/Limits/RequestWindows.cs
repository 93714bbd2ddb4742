namespace Seckill.Api.Limits;

/// <summary>
/// Counts requests by key in fixed windows of one second, in a fixed-size table without locks or timers. The framework's partitioned
/// limiters keep an object for each key, scan all of them ten times a second and share one lock. The trade-off: keys whose hashes collide
/// share a limit, about one key in ten with 100,000 active ones. That does not matter for limits far above normal use. Randomly seeded, so
/// collisions cannot be provoked.
/// </summary>
internal sealed class RequestWindows(int perSecondMax, TimeProvider time)
{
    /// <summary>8 bytes each.</summary>
    private const int SlotCount = 1 << 20;
    private const int CountBits = 24;
    private const long CountMask = (1L << CountBits) - 1;

    /// <summary>Second since start in the upper bits, count in the lower: one number, so that one compare-exchange updates both.</summary>
    private readonly long[] _slots = perSecondMax > 0 ? new long[SlotCount] : [];
    private readonly ulong _seed = (ulong)Random.Shared.NextInt64() | 1;
    private readonly long _startedAt = time.GetTimestamp();

    /// <summary>Whether this request is within the limit; only then is it counted, with its weight.</summary>
    public bool TryTake(ulong key, int weight = 1)
    {
        if (perSecondMax <= 0)
        {
            return true;
        }

        // A request whose weight exceeds a whole second's limit is allowed once a second.
        weight = Math.Min(weight, perSecondMax);

        // Seconds start at 1, so that an unused slot belongs to none.
        var second = 1 + ((time.GetTimestamp() - _startedAt) / time.TimestampFrequency);
        ref var slot = ref _slots[SlotOf(key)];
        while (true)
        {
            var seen = Volatile.Read(ref slot);
            var count = seen >> CountBits == second ? seen & CountMask : 0;
            if (count + weight > perSecondMax)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref slot, (second << CountBits) | (count + weight), seen) == seen)
            {
                return true;
            }
        }
    }

    private int SlotOf(ulong key) => (int)(Mix(key, _seed) & (SlotCount - 1));

    /// <summary>The finalizer of splitmix64: every bit of key and seed affects the lowest bits, which are the ones kept.</summary>
    internal static ulong Mix(ulong key, ulong seed)
    {
        var mixed = (key ^ seed) * 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
