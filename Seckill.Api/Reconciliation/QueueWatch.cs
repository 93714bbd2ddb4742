using Microsoft.Extensions.Options;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;
using StackExchange.Redis;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// Tells which orders can no longer be on their way: what the broker confirmed before the moment until which the queue is through, see
/// <see cref="QueuePassage"/>, or longer ago than a worker can hold a message. One that a worker gave back is delivered with a mark, and
/// while any of these is held nothing more is known to be through.
/// </summary>
internal sealed partial class QueueWatch(
    QueueDepths queues, HeldMessages held, IOptions<ReconciliationOptions> options, TimeProvider time, ILogger<QueueWatch> logger)
{
    /// <summary>Allowance for clocks that differ and for messages and workers' reports on their way, ms.</summary>
    private const int MarginMs = 5_000;

    private static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(MarginMs);

    private readonly QueuePassage _passage = new(time, Margin);

    /// <summary>
    /// What was confirmed before this moment is neither in the queue nor in a worker's hands; null when that cannot be told of anything:
    /// something waits in the queue, nobody takes it from there, or the broker does not answer.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queue's depth is not known, so no order is published again: {Reason}")]
    private partial void LogDepthUnknown(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "The orders that workers hold are not known, so only old orders count as lost: {Reason}")]
    private partial void LogHeldUnknown(string reason);
}
