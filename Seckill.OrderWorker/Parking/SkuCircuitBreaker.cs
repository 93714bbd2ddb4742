using System.Collections.Concurrent;
using Seckill.Ordering.Contract;

namespace Seckill.OrderWorker.Parking;

/// <summary>
/// Remembers SKUs that have just failed, so that the next batches do not wait for the same failure. Open for as long as an order stays
/// parked, twice as long after each further failure, up to a bound; then one batch tries again. Source: M. Nygard, "Release It!", Circuit
/// Breaker.
/// </summary>
internal sealed class SkuCircuitBreaker(TimeProvider time)
{
    private const int OpenMsMax = 3 * OrderTopology.ParkedMs;

    /// <summary>Most SKUs remembered; any others are tried each time.</summary>
    private const int SkuCountMax = 10_000;

    private readonly ConcurrentDictionary<long, State> _states = new();

    private sealed record State(string Reason, long OpenedAt, int OpenForMs);

    /// <summary>Why the SKU must not be tried now; null when it may be.</summary>
    public string? ReasonOf(long skuId) =>
        !_states.IsEmpty && _states.TryGetValue(skuId, out var state) && IsOpen(state) ? state.Reason : null;

    /// <summary>The SKU failed: skip it for a while.</summary>
    public void Open(long skuId, string reason)
    {
        if (_states.Count < SkuCountMax || _states.ContainsKey(skuId))
        {
            // Concurrent batches fail together; that counts as one failure.
            _states.AddOrUpdate(
                skuId,
                _ => new State(reason, time.GetTimestamp(), OrderTopology.ParkedMs),
                (_, before) => IsOpen(before)
                    ? before
                    : new State(reason, time.GetTimestamp(), Math.Min(before.OpenForMs * 2, OpenMsMax)));
        }
    }

    /// <summary>These SKUs succeeded.</summary>
    public void Close(IEnumerable<long> skuIds)
    {
        if (_states.IsEmpty)
        {
            return;
        }

        foreach (var skuId in skuIds)
        {
            _states.TryRemove(skuId, out _);
        }
    }

    private bool IsOpen(State state) => time.GetElapsedTime(state.OpenedAt).TotalMilliseconds < state.OpenForMs;
}
