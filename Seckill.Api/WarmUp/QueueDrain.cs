using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Contract;

namespace Seckill.Api.WarmUp;

/// <summary>
/// After Redis has forgotten who bought, the orders that are still in the queue are written first, so that the new counters do not offer
/// their units. It is one wait for all SKUs of one loss, and bounded: an order that comes later is deducted when it is settled. A broker
/// that does not say how much it holds is waited for like one that holds much.
/// </summary>
public sealed partial class QueueDrain(
    QueueDepths queues, IOptions<CatalogueOptions> options, TimeProvider time, ILogger<QueueDrain> logger)
{
    private const int PollEveryMs = 250;

    private readonly Lock _lock = new();
    private Task _look = Task.CompletedTask;
    private long _lookedAt;
    private long _emptyAt;
    private long _announced;

    /// <summary>
    /// Whether the wait is over: the queue has been seen empty since the loss, or <c>DrainWaitMsMax</c> have passed. Looks at the queue
    /// meanwhile and never waits for it.
    /// </summary>
    /// <param name="lostAt">When the loss was seen, by <see cref="TimeProvider.GetTimestamp"/>; the same for all SKUs that were looked at
    /// together.</param>
    public bool IsOver(long lostAt)
    {
        if (LeftMs(lostAt) <= 0 || Volatile.Read(ref _emptyAt) >= lostAt)
        {
            return true;
        }

        lock (_lock)
        {
            if (_announced < lostAt)
            {
                _announced = lostAt;
                LogDraining(options.Value.DrainWaitMsMax);
            }

            if (_look.IsCompleted && time.GetElapsedTime(_lookedAt).TotalMilliseconds >= PollEveryMs)
            {
                _lookedAt = time.GetTimestamp();
                _look = LookAsync(_lookedAt);
            }
        }

        return false;
    }

    /// <summary>Waits until it is over.</summary>
    public async Task WaitAsync(long lostAt, CancellationToken cancellationToken)
    {
        while (!IsOver(lostAt))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(PollEveryMs), time, cancellationToken);
        }
    }

    private double LeftMs(long lostAt) => options.Value.DrainWaitMsMax - time.GetElapsedTime(lostAt).TotalMilliseconds;

    /// <summary>Ends within the time that the broker has for an answer.</summary>
    private async Task LookAsync(long askedAt)
    {
        try
        {
            if (await queues.ReadAsync(CancellationToken.None) is { Ready: 0, Parked: 0 })
            {
                Volatile.Write(ref _emptyAt, askedAt);
            }
        }
        catch (Exception exception)
        {
            LogDepthUnknown(exception.Message);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Redis has lost sales; their orders in the queue are written first, for {DrainWaitMsMax} ms at most")]
    private partial void LogDraining(int drainWaitMsMax);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queue's depth is not known, so it is not taken for empty: {Reason}")]
    private partial void LogDepthUnknown(string reason);
}
