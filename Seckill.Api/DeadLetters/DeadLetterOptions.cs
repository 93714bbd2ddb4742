using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.DeadLetters;

/// <summary>Section <c>DeadLetters</c>: limits of a single call by an operator.</summary>
public sealed class DeadLetterOptions
{
    public const string Section = "DeadLetters";

    /// <summary>Maximum number of dead letters, from the head of the queue, that one call reads or replays.</summary>
    [Range(1, 10_000)]
    public int ScanMax { get; init; } = 1_000;

    /// <summary>Maximum number of bytes of bodies that one call keeps in memory; it stops reading when the limit is reached.</summary>
    [Range(1_024, 1_073_741_824)]
    public long ScanBytesMax { get; init; } = 67_108_864;

    /// <summary>
    /// Maximum dead letters that are searched for orders that seem lost, so that no dead-lettered order is published again. With more
    /// letters than that, no order is published again until some letters are replayed or abandoned.
    /// </summary>
    [Range(1, 1_000_000)]
    public int OrderScanMax { get; init; } = 100_000;

    /// <summary>
    /// Longest duration of one call, ms; its lock expires <see cref="LockMarginMs"/> later, so no call outlasts its lock.
    /// </summary>
    [Range(1_000, 600_000)]
    public int OperationTimeoutMs { get; init; } = 30_000;

    /// <summary>How long the lock of a crashed process outlives its call's time limit, ms.</summary>
    [Range(100, 60_000)]
    public int LockMarginMs { get; init; } = 5_000;
}
