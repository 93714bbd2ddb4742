namespace Seckill.Ordering.Ids;

/// <summary>
/// Snowflake ids (Twitter, 2010): 41 bits of milliseconds since 2025-01-01 UTC, 10 bits of node, 12 bits of sequence; positive 64-bit
/// numbers that increase with time. One instance per leased node. Safe for many callers, without a lock.
/// </summary>
/// <param name="node">The leased node.</param>
/// <param name="time">The clock.</param>
/// <param name="after">When the previous holder was done with the node: each id is of a later millisecond, whatever the clock says.</param>
public sealed class SnowflakeSequence(int node, TimeProvider time, DateTimeOffset after = default)
{
    public const int NodeMax = 1023;
    private const int SequenceBits = 12;
    private const int NodeBits = 10;

    private static readonly DateTimeOffset Epoch = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly long _node = node is >= 0 and <= NodeMax
        ? (long)node << SequenceBits
        : throw new ArgumentOutOfRangeException(nameof(node), node, $"0 to {NodeMax}");

    /// <summary>Milliseconds since the epoch, then the sequence: one number, so that one compare-exchange updates both.</summary>
    private long _last = after <= Epoch ? 0 : ((long)(after - Epoch).TotalMilliseconds << SequenceBits) | ((1L << SequenceBits) - 1);

    /// <summary>When the newest id was generated, or could have been.</summary>
    public DateTimeOffset LastAt => Epoch.AddMilliseconds(Volatile.Read(ref _last) >> SequenceBits);

    /// <summary>When an id was generated, to the millisecond; it may be a little ahead of the clock after a burst.</summary>
    public static DateTimeOffset TimeOf(long id) => Epoch.AddMilliseconds(id >> (NodeBits + SequenceBits));

    /// <summary>
    /// The next id. If the clock stands still or goes back, or a millisecond's 4,096 numbers are used up, the sequence continues into the
    /// next millisecond: ids stay unique and increasing, and nobody waits.
    /// </summary>
    public long Next()
    {
        while (true)
        {
            var now = (long)(time.GetUtcNow() - Epoch).TotalMilliseconds << SequenceBits;
            var last = Volatile.Read(ref _last);
            var next = Math.Max(now, last + 1);
            if (Interlocked.CompareExchange(ref _last, next, last) == last)
            {
                var milliseconds = next >> SequenceBits;
                var sequence = next & ((1 << SequenceBits) - 1);
                return (milliseconds << (NodeBits + SequenceBits)) | _node | sequence;
            }
        }
    }
}
