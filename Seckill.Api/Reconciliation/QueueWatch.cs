using Microsoft.Extensions.Options;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;
using StackExchange.Redis;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// Finds which orders can no longer be in transit: those confirmed before the moment up to which the queue has been drained (see
/// <see cref="QueuePassage"/>), or longer ago than a worker can hold a message. A message that a worker has returned is marked as
/// redelivered; while a worker holds such a message, the moment does not advance.
/// </summary>
internal sealed partial class QueueWatch(
    QueueDepths queues, HeldMessages held, IOptions<ReconciliationOptions> options, TimeProvider time, ILogger<QueueWatch> logger)
{
    /// <summary>Allowance for clock differences and for messages and worker reports in transit, ms.</summary>
    private const int MarginMs = 5_000;

    private static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(MarginMs);

    private readonly QueuePassage _passage = new(time, Margin);
    private long _unansweredCount;

    /// <summary>How often the broker has not answered so far.</summary>
    public long UnansweredCount => Volatile.Read(ref _unansweredCount);

    /// <summary>Records that the broker has not answered another question of the reconciler.</summary>
    public void NoteUnanswered() => Interlocked.Increment(ref _unansweredCount);

    /// <summary>
    /// An order confirmed before this moment is neither in the queue nor held by a worker. Null when that is unknown: messages wait in the
    /// queue, it has no consumer, or the broker does not answer.
    /// </summary>
    public async Task<DateTimeOffset?> ThroughUntilAsync(CancellationToken cancellationToken)
    {
        var askedAt = time.GetTimestamp();
        if (await DepthAsync(cancellationToken) is not { Ready: 0, Workers: > 0 } depth)
        {
            return null;
        }

        _passage.NoteEmpty(askedAt, depth.Workers, await HoldingsAsync(cancellationToken));
        var heldFor = TimeSpan.FromMinutes(options.Value.HeldMinutesMax);
        var age = _passage.ThroughUntil is { } through ? time.GetElapsedTime(through) + Margin : heldFor;
        return time.GetUtcNow() - (age < heldFor ? age : heldFor);
    }

    private async Task<QueueDepth?> DepthAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await queues.ReadAsync(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            NoteUnanswered();
            LogDepthUnknown(exception.Message);
            return null;
        }
    }

    private async Task<Holdings?> HoldingsAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await held.ReadAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            LogHeldUnknown(exception.Message);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queue depth is unknown, so no order is published again: {Reason}")]
    private partial void LogDepthUnknown(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "It is unknown which orders the workers hold, so only old orders count as lost: {Reason}")]
    private partial void LogHeldUnknown(string reason);
}
