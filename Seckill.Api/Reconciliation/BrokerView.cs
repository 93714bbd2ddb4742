using Microsoft.Extensions.Options;
using Seckill.Api.DeadLetters;

namespace Seckill.Api.Reconciliation;

/// <summary>
/// The broker's part in finding lost orders: up to when all orders have left the queue, and which are among the dead letters. Reading the
/// letters takes all of them out of the queue for a moment, which keeps operators waiting, and their return counts towards the queue's
/// delivery limit. So they are read once for all SKUs of a pass, and an order that was found is taken to be there for a while.
/// </summary>
internal sealed partial class BrokerView(
    QueueWatch watch, DeadLetterOperations deadLetters, IOptions<ReconciliationOptions> options, TimeProvider time,
    ILogger<BrokerView> logger) : IDisposable
{
    /// <summary>Longest time for which SKUs share what was read, ms; shorter if <c>EveryMs</c> is.</summary>
    private const int SharedMsMax = 10_000;

    /// <summary>One look at a time: others share its result instead of taking the letters out of each other's hands.</summary>
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Look? _look;
    private DeadOrders _dead = new(new HashSet<long>(), 0);

    /// <summary>See <see cref="QueueWatch.ThroughUntilAsync"/>.</summary>
    public async Task<DateTimeOffset?> ThroughUntilAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_look is null || IsOver(_look.At, Math.Min(SharedMsMax, options.Value.EveryMs)))
            {
                var at = time.GetTimestamp();
                _look = await watch.ThroughUntilAsync(cancellationToken) is { } until ? new Look(until, at) : null;
            }

            return _look?.Until;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>
    /// The orders that are not among the dead letters; none when that is unknown. They are orders that have left the queue by the last
    /// <see cref="ThroughUntilAsync"/>, and the letters are read after that: a letter buried in between would be missed.
    /// </summary>
    public async Task<List<long>> WithoutDeadAsync(List<long> orderIds, CancellationToken cancellationToken)
    {
        var known = Volatile.Read(ref _dead);
        var alive = IsOver(known.At, options.Value.RepublishPauseMsMax) ? orderIds : orderIds.FindAll(id => !known.Ids.Contains(id));
        return alive.Count > 0 && await DeadAsync(cancellationToken) is { } dead ? alive.FindAll(id => !dead.Contains(id)) : [];
    }

    public void Dispose() => _turn.Dispose();

    private bool IsOver(long at, int ms) => time.GetElapsedTime(at).TotalMilliseconds >= ms;

    /// <summary>Read once for each look, also if that fails; null when unknown.</summary>
    private async Task<IReadOnlySet<long>?> DeadAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_look is { HasLetters: true } look)
            {
                return look.Dead;
            }

            var at = time.GetTimestamp();
            var dead = await TryReadAsync(cancellationToken);
            _look = _look is null ? null : _look with { HasLetters = true, Dead = dead };
            Volatile.Write(ref _dead, dead is null ? _dead : new DeadOrders(dead, at));
            return dead;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<IReadOnlySet<long>?> TryReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Read even when the broker counts none: it does not count letters that an operator's call holds; the lock on that call shows
            // them. With more letters than one scan can read, it is unknown which orders are among the rest.
            return await deadLetters.ReadOrderIdsAsync(cancellationToken);
        }
        catch (DeadLettersBusyException)
        {
            // An operator is working on them; the next pass tries again.
            return null;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            watch.NoteUnanswered();
            LogUnknown(exception.Message);
            return null;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "The dead letters were not read, so no order is published again: {Reason}")]
    private partial void LogUnknown(string reason);

    /// <summary>What the SKUs of a pass share.</summary>
    /// <param name="Until">Orders confirmed before this have left the queue.</param>
    /// <param name="At">When that was read.</param>
    private sealed record Look(DateTimeOffset Until, long At)
    {
        /// <summary>Whether the letters have been read since.</summary>
        public bool HasLetters { get; init; }

        /// <summary>The orders among them; null when they could not be read.</summary>
        public IReadOnlySet<long>? Dead { get; init; }
    }

    /// <summary>The last reading of the letters that succeeded.</summary>
    private sealed record DeadOrders(IReadOnlySet<long> Ids, long At);
}
