using System.Diagnostics;
using System.Threading.Channels;
using Seckill.Api.Errors;
using Seckill.Api.Publishing;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Gate;

/// <summary>
/// The queue of one SKU in front of Redis. Clicks that arrive during a script call share the next one (natural batching: no timer, so a
/// lone request never waits); a burst costs one call for every <c>BatchSizeMax</c> requests. During a call, another is sent only with a
/// full batch: one call at a time would limit the rate to one batch per round trip. Every call carries a deadline, so that a server that
/// froze and resumes reserves nothing for clicks already answered busy. While Redis is known not to answer, an occasional click probes it
/// and all others get busy at once. A reply that shows Redis behind an earlier state closes the gate until its counter has been loaded
/// again.
/// </summary>
internal sealed partial class GateLane
{
    /// <summary>The part of a click's time limit reserved for the reply, ms. A click with less time left is not sent.</summary>
    private const int ReplyAllowanceMs = 250;

    private readonly SkuKeys _sku;
    private readonly StockLedger _ledger;
    private readonly StockRecovery _recovery;
    private readonly LaneMemory _memory = new();
    private readonly OrderPublisher _publisher;
    private readonly GateOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Channel<PurchaseAttempt> _waiting;

    /// <summary>
    /// Oldest first. Calls are answered in the order in which Redis ran them on the one connection, so the shield learns in that order too.
    /// </summary>
    private readonly Queue<Call> _inFlight = new();

    /// <summary>
    /// Clicks whose call was too late by the server's clock, which may have been unknown; sent again if they have time left.
    /// </summary>
    private readonly Queue<PurchaseAttempt> _again = new();
    private readonly ServerClock _clock;
    private readonly LogPace _failures;
    private readonly LogPace _damages;
    private bool _away;
    private long _askedWhileAwayAt;

    /// <summary>One script call, with the counter's position and the shield's openings when it was sent.</summary>
    private readonly record struct Call(List<PurchaseAttempt> Batch, Task<ReserveReply> Reply, CounterPosition AtSending, long Openings);

    public GateLane(
        SkuKeys sku, StockLedger ledger, StockRecovery recovery, OrderPublisher publisher, GateOptions options, TimeProvider time,
        ILogger logger, CancellationToken stopping)
    {
        _sku = sku;
        _ledger = ledger;
        _recovery = recovery;
        _publisher = publisher;
        _options = options;
        _logger = logger;
        _time = time;
        _clock = new ServerClock(time);
        (_failures, _damages) = (new LogPace(time), new LogPace(time));
        Shield = new SoldOutShield(options, time);
        _waiting = Channel.CreateBounded<PurchaseAttempt>(new BoundedChannelOptions(options.WaitingMax) { SingleReader = true });
        Completion = Task.Run(() => RunAsync(stopping), CancellationToken.None);
    }

    public SkuKeys Sku => _sku;

    public SoldOutShield Shield { get; }

    /// <summary>The newest order that Redis has accepted through this lane; null before the first.</summary>
    public AcceptedOrder? Newest => _memory.Newest;

    /// <summary>Completes once the lane has been told to stop and every waiting click has been answered.</summary>
    public Task Completion { get; }

    /// <summary>Stops accepting requests; those waiting are still answered.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    /// <summary>
    /// Accepts a click; false when too many are waiting already, or Redis is known not to answer. The click is answered even if the caller
    /// disconnects, because stock may have moved.
    /// </summary>
    public bool TryAsk(PurchaseAttempt click)
    {
        click.AskedAt = _time.GetTimestamp();
        return (!Volatile.Read(ref _away) || MayAskWhileAway(click.AskedAt)) && _waiting.Writer.TryWrite(click);
    }

    private bool MayAskWhileAway(long now)
    {
        var askedAt = Volatile.Read(ref _askedWhileAwayAt);
        return _time.GetElapsedTime(askedAt, now).TotalMilliseconds >= _options.AwayProbeEveryMs
            && Interlocked.CompareExchange(ref _askedWhileAwayAt, now, askedAt) == askedAt;
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        ReserveReply? arming = null;
        var openings = 0L;
        while (arming is not null || _inFlight.Count > 0 || _again.Count > 0
            || await _waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            if (arming is null)
            {
                AskWhatMayGo(stopping);
            }

            // The shield is armed only with no call in flight: otherwise it would not know the buyers of clicks that a later call accepts.
            if (_inFlight.TryDequeue(out var oldest))
            {
                arming = await AnswerAsync(oldest);
                openings = oldest.Openings;
            }
            else if (arming is not null)
            {
                await ArmAsync(arming, openings, stopping);
                arming = null;
            }
        }
    }

    private void AskWhatMayGo(CancellationToken stopping)
    {
        while (_inFlight.Count == 0
            ? WaitingCount > 0
            : _inFlight.Count < _options.CallsInFlightMax && WaitingCount >= _options.BatchSizeMax)
        {
            var batch = TakeBatch();
            if (batch.Count == 0)
            {
                continue;
            }

            var openings = Shield.Openings;
            // Without the server's clock, this call only reads its time, which the "too late" reply contains.
            var notAfterMs = _clock.NowMs + LeftMs(batch[0]) - ReplyAllowanceMs ?? 0;
            var reply = _ledger.ReserveAsync(_sku, batch.ConvertAll(click => click.Request), notAfterMs, stopping);
            _inFlight.Enqueue(new Call(batch, reply, _memory.Position, openings));
        }
    }

    private int WaitingCount => _again.Count + _waiting.Reader.Count;

    /// <summary>The next clicks, oldest first. Expired ones are answered here.</summary>
    private List<PurchaseAttempt> TakeBatch()
    {
        var batch = new List<PurchaseAttempt>(Math.Min(WaitingCount, _options.BatchSizeMax));
        while (batch.Count < _options.BatchSizeMax && (_again.TryDequeue(out var click) || _waiting.Reader.TryRead(out click)))
        {
            if (LeftMs(click) > ReplyAllowanceMs)
            {
                batch.Add(click);
            }
            else
            {
                click.Fail(new TimeoutException("The click expired before Redis could be queried."));
            }
        }

        return batch;
    }

    private long LeftMs(PurchaseAttempt click) => _options.AnswerWithinMs - (long)_time.GetElapsedTime(click.AskedAt).TotalMilliseconds;

    /// <summary>The reply whose buyers arm the shield; null when there is no reason to arm it.</summary>
    private async Task<ReserveReply?> AnswerAsync(Call call)
    {
        var batch = call.Batch;
        try
        {
            var reply = await call.Reply;
            _clock.Learn(reply.NowMs);
            Volatile.Write(ref _away, false);
            for (var i = 0; i < batch.Count; i++)
            {
                if (reply.Results[i].Code == ReserveCode.TooLate)
                {
                    _again.Enqueue(batch[i]);
                    continue;
                }

                Answer(batch[i], reply.Results[i], reply, batch.Count);
            }

            if (!_memory.Learn(reply, call.AtSending))
            {
                Shield.Open();
                await ShutAsync(reply);
                return null;
            }

            if (_again.Count > 0)
            {
                return null;
            }

            return Shield.Learn(reply) ? reply : null;
        }
        catch (Exception exception)
        {
            Report(batch.Count, exception);
            if (exception is RedisConnectionException or TimeoutException)
            {
                Volatile.Write(ref _askedWhileAwayAt, _time.GetTimestamp());
                Volatile.Write(ref _away, true);
                _clock.Forget();
            }

            batch.ForEach(click => click.Fail(exception));
            return null;
        }
    }

    private void Answer(PurchaseAttempt click, ReserveResult result, ReserveReply reply, int batchSize)
    {
        click.EndQuestion(result, batchSize);
        if (result.Code == ReserveCode.Unreadable && _damages.Take(1) is { } damaged)
        {
            LogDamaged(_sku.SkuId, _sku.Clicks, damaged);
        }

        if (result.Code != ReserveCode.Accepted)
        {
            click.Answer(result);
            return;
        }

        _memory.Accept(reply.Epoch, click.Request.OrderId);
        click.Accept(reply);
        CrashPoint.Reach(CrashPoint.Reserved);
        if (!_publisher.TryPublish(click))
        {
            // The publisher did not accept it: the outbox has the order, so the buyer need not wait.
            click.Answer(result);
        }
    }

    private void Report(int count, Exception exception)
    {
        if (_failures.Take(count) is { } failed)
        {
            LogFailed(_sku.SkuId, failed, exception.Message);
        }
    }

    /// <summary>
    /// Closes the gate for all instances; the first click at the closed gate triggers a load. The worker decides on orders accepted
    /// meanwhile.
    /// </summary>
    private async Task ShutAsync(ReserveReply reply)
    {
        LogWentBack(_sku.SkuId, reply.Epoch, reply.ReservedCount, _memory.Position);
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(_options.AnswerWithinMs), _time);
            await _recovery.CloseAsync(_sku, deadline.Token, reply.Epoch);
        }
        catch (Exception exception)
        {
            // Its clicks have been answered already; the next reply shows the same state again.
            Report(0, exception);
        }
    }

    private async Task ArmAsync(ReserveReply reply, long openings, CancellationToken stopping)
    {
        Debug.Assert(reply.StockLeft <= 0, "The shield is armed only when the counter is empty.");
        try
        {
            if (await _ledger.BuyersAsync(_sku, _options.ShieldBuyersMax, stopping) is { } buyers)
            {
                Shield.Arm(reply, buyers, openings);
            }
        }
        catch (Exception exception)
        {
            // All clicks have been answered already; the next one queries Redis again.
            Report(0, exception);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "SKU {SkuId}: Redis has gone back to reservation {Count} of epoch {Epoch}, behind {Position}; the gate is closed until "
            + "the counter is loaded again")]
    private partial void LogWentBack(long skuId, long epoch, long count, CounterPosition position);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "SKU {SkuId}: the gate could not query Redis; {Count} requests were answered busy: {Reason}")]
    private partial void LogFailed(long skuId, long count, string reason);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "SKU {SkuId}: entries of {Key} are no order ids; {Count} requests were answered busy")]
    private partial void LogDamaged(long skuId, RedisKey key, long count);
}
