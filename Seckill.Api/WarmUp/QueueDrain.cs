using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;

namespace Seckill.Api.WarmUp;

/// <summary>
/// After Redis has lost its data, the orders still in the queue are written first, so that the new counters do not offer their units.
/// Messages held by workers (see <see cref="QueuePassage"/>) and parked orders count as well. All SKUs of one loss share one bounded wait:
/// an order that comes later is deducted when it is settled. A broker or worker that does not report its messages is assumed to have many.
/// </summary>
public sealed partial class QueueDrain(
    QueueDepths queues, HeldMessages held, IOptions<CatalogueOptions> options, TimeProvider time, ILogger<QueueDrain> logger)
{
    private const int PollEveryMs = 250;
    private const int HoldingsWaitMsMax = 2_000;

    private readonly Lock _lock = new();

    /// <summary>Without a margin, because the gate is closed meanwhile. An order that this misses is deducted when it is settled.</summary>
    private readonly QueuePassage _passage = new(time, margin: TimeSpan.Zero);
    private Task _look = Task.CompletedTask;
    private long _lookedAt;
    private long _announced;

    /// <summary>
    /// Whether the wait is over: everything that was in the queue has passed through since the loss, or <c>DrainWaitMsMax</c> have passed.
    /// Checks the queue in the background and never waits for it.
    /// </summary>
    /// <param name="lostAt">When the loss was noticed, by <see cref="TimeProvider.GetTimestamp"/>; the same for all SKUs that were checked
    /// together.</param>
    public bool IsOver(long lostAt)
    {
        if (LeftMs(lostAt) <= 0 || _passage.ThroughUntil >= lostAt)
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

    /// <summary>Waits until the drain is over.</summary>
    public async Task WaitAsync(long lostAt, CancellationToken cancellationToken)
    {
        while (!IsOver(lostAt))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(PollEveryMs), time, cancellationToken);
        }
    }

    private double LeftMs(long lostAt) => options.Value.DrainWaitMsMax - time.GetElapsedTime(lostAt).TotalMilliseconds;

    /// <summary>Ends within the broker's time limit for a response.</summary>
    private async Task LookAsync(long askedAt)
    {
        try
        {
            if (await queues.ReadAsync(CancellationToken.None) is not { Ready: 0, Parked: 0 } depth)
            {
                _passage.Forget();
                return;
            }

            _passage.NoteEmpty(askedAt, depth.Workers, await HoldingsAsync(depth.Workers));
        }
        catch (Exception exception)
        {
            // A parked order may be held by a worker again, as if it had been picked up only now.
            _passage.Forget();
            LogDepthUnknown(exception.Message);
        }
    }

    /// <summary>Without consumers no worker holds a message: the broker has put unacknowledged messages back into the queue.</summary>
    private async Task<Holdings> HoldingsAsync(long workers)
    {
        if (workers == 0)
        {
            return new Holdings(0, TimeSpan.Zero);
        }

        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(HoldingsWaitMsMax), time);
        return await held.ReadAsync(deadline.Token);
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Redis has lost sales; their orders in the queue are written first, for {DrainWaitMsMax} ms at most")]
    private partial void LogDraining(int drainWaitMsMax);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "It is unknown which orders the queue and the workers hold, so loading waits: {Reason}")]
    private partial void LogDepthUnknown(string reason);
}
