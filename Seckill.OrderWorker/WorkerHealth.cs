using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;
using Seckill.OrderWorker.Parking;

namespace Seckill.OrderWorker;

/// <summary>The pump's state for the health checks; written by its stages.</summary>
internal sealed class WorkerHealth(IOptions<WorkerOptions> options, TimeProvider time)
{
    private readonly Lock _lock = new();

    /// <summary>Unacked messages in the order of arrival, which is the order of their acks.</summary>
    private readonly Queue<(long TakenAt, bool IsRedelivered)> _held = new();
    private int _redeliveredCount;
    private long? _silentSince;
    private long? _lastHeldAt;
    private volatile string? _writingTrouble;
    private volatile string? _settlingTrouble;
    private volatile bool _consuming;
    private string? _parkedReason;
    private long _parkedAt;
    private int _parkedCount;

    /// <summary>When each store last accepted an order, by this process's clock.</summary>
    private readonly Dictionary<OrderStore, DateTimeOffset> _acceptedAt = [];

    /// <summary>
    /// Buyers whose orders came back and were refused again although the store has accepted nothing in between; at most
    /// <see cref="RefusedAgainMin"/>.
    /// </summary>
    private readonly HashSet<(OrderStore Store, long UserId)> _refusedAgain = [];

    /// <summary>
    /// Buyers in <see cref="_refusedAgain"/> that make the worker unhealthy. A few bad orders may be all that is left of a sale, and must
    /// not keep what waits for a healthy worker from starting.
    /// </summary>
    private const int RefusedAgainMin = 10;

    /// <summary>How long health reports the last parked order, ms.</summary>
    private const int ParkedShownMs = 6 * OrderTopology.ParkedMs;

    /// <summary>Whether a consumer is connected to the queue.</summary>
    public bool Consuming { get => _consuming; set => _consuming = value; }

    /// <summary>Why MySQL does not accept the current batch; null when it does.</summary>
    public string? WritingTrouble { get => _writingTrouble; set => _writingTrouble = value; }

    /// <summary>Why Redis does not accept the current verdicts; null when it does.</summary>
    public string? SettlingTrouble { get => _settlingTrouble; set => _settlingTrouble = value; }

    /// <summary>Reports that no message has been acked for too long although some are held; null in the normal case.</summary>
    public string? Silence
    {
        get
        {
            lock (_lock)
            {
                return _held.Count > 0 && _silentSince is { } since && time.GetElapsedTime(since) is var silence
                    && silence.TotalMilliseconds > options.Value.NoAckMsMax
                    ? $"nothing acked for {silence.TotalSeconds:F0} s with {_held.Count} messages held"
                    : null;
            }
        }
    }

    /// <summary>Reports that orders are being parked, and why; null in the normal case.</summary>
    public string? Parking
    {
        get
        {
            lock (_lock)
            {
                return IsParking ? $"{_parkedCount} orders were parked, the last one because: {_parkedReason}" : null;
            }
        }
    }

    /// <summary>Reports that many orders are refused again and again while no other is accepted; null in the normal case.</summary>
    public string? Refusal
    {
        get
        {
            lock (_lock)
            {
                return IsParking && _refusedAgain.Count >= RefusedAgainMin
                    ? $"no order is accepted, and {_parkedCount} were parked, the last one because: {_parkedReason}"
                    : null;
            }
        }
    }

    /// <summary>Time since the oldest unacked message was first received, by any worker; zero when there is none.</summary>
    public TimeSpan OldestHeldAge
    {
        get
        {
            lock (_lock)
            {
                return _redeliveredCount > 0 ? HeldMessages.UnknownAge
                    : _held.TryPeek(out var oldest) ? time.GetElapsedTime(oldest.TakenAt)
                    : TimeSpan.Zero;
            }
        }
    }

    private bool IsParking => _parkedReason is not null && time.GetElapsedTime(_parkedAt).TotalMilliseconds < ParkedShownMs;

    /// <summary>An order was parked.</summary>
    /// <param name="reason">Shown to operators.</param>
    /// <param name="store">The store that refuses it.</param>
    /// <param name="refusedAgain">The buyer, if it was parked before and the store has accepted nothing since; else null.</param>
    public void NoteParked(string reason, OrderStore store, long? refusedAgain)
    {
        lock (_lock)
        {
            if (!IsParking)
            {
                _parkedCount = 0;
                _refusedAgain.Clear();
            }

            _parkedCount++;
            (_parkedReason, _parkedAt) = (reason, time.GetTimestamp());
            if (refusedAgain is { } userId && _refusedAgain.Count < RefusedAgainMin)
            {
                _refusedAgain.Add((store, userId));
            }
        }
    }

    /// <summary>The store has accepted an order: MySQL has committed it, or Redis has recorded its verdict.</summary>
    public void NoteAccepted(OrderStore store)
    {
        lock (_lock)
        {
            _acceptedAt[store] = time.GetUtcNow();
            _refusedAgain.RemoveWhere(refused => refused.Store == store);
        }
    }

    /// <summary>
    /// Whether this process has seen the store accept an order since then. A time in the future was noted before the clock was set back and
    /// shows nothing.
    /// </summary>
    public bool HasAcceptedSince(OrderStore store, DateTimeOffset since)
    {
        lock (_lock)
        {
            return _acceptedAt.TryGetValue(store, out var at) && at >= since && at <= time.GetUtcNow();
        }
    }

    /// <summary>A message was received.</summary>
    public void NoteTaken(bool isRedelivered)
    {
        lock (_lock)
        {
            _held.Enqueue((time.GetTimestamp(), isRedelivered));
            _redeliveredCount += isRedelivered ? 1 : 0;
            if (_held.Count == 1)
            {
                // A new session receives the same messages, so the time without an ack continues, unless the worker was idle for a while.
                var isSame = _lastHeldAt is { } at && time.GetElapsedTime(at).TotalMilliseconds < options.Value.NoAckMsMax;
                _silentSince = isSame ? _silentSince ?? time.GetTimestamp() : time.GetTimestamp();
            }
        }
    }

    /// <summary>Messages were acked, or left to the broker.</summary>
    public void NoteSettled(int count)
    {
        lock (_lock)
        {
            for (; count > 0 && _held.TryDequeue(out var settled); count--)
            {
                _redeliveredCount -= settled.IsRedelivered ? 1 : 0;
            }

            _silentSince = _held.Count > 0 ? time.GetTimestamp() : null;
        }
    }

    /// <summary>The unacked messages have gone back to the queue.</summary>
    public void NoteSessionEnded()
    {
        lock (_lock)
        {
            _lastHeldAt = _held.Count > 0 ? time.GetTimestamp() : _lastHeldAt;
            _held.Clear();
            _redeliveredCount = 0;
        }
    }
}

/// <summary>Whether received messages are acked, whatever delays them.</summary>
internal sealed class AckingHealthCheck(WorkerHealth health) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(health.Silence is { } silence
            ? new HealthCheckResult(context.Registration.FailureStatus, silence)
            : HealthCheckResult.Healthy());
}

/// <summary>Whether the worker consumes orders from the queue.</summary>
internal sealed class ConsumingHealthCheck(WorkerHealth health) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(health.Consuming
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, "no consumer at the queue"));
}

/// <summary>
/// Whether orders are written to MySQL and Redis; messages are held, or parked again and again, while they are not. Degraded while single
/// orders are parked.
/// </summary>
internal sealed class WritingHealthCheck(WorkerHealth health) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult((health.WritingTrouble ?? health.SettlingTrouble ?? health.Refusal) is { } trouble
            ? new HealthCheckResult(context.Registration.FailureStatus, trouble)
            : health.Parking is { } parking ? HealthCheckResult.Degraded(parking) : HealthCheckResult.Healthy());
}
