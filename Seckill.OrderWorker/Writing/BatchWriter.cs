using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ids;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Parking;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// Brings every order of a batch to a committed verdict, or out of the batch; several batches may be in progress at once. An outage holds
/// the batch, however long: it is retried as a whole and nothing is dead-lettered. Since nothing is acked, the broker stops delivering at
/// the prefetch. An order that the tables cannot store is found by halving the batch and dead-lettered. An order that MySQL refuses now,
/// although it accepts others, is found in the same way and parked, like the orders of a SKU whose row another client keeps locked. If
/// that takes too long, all that have failed together with one are parked.
/// </summary>
internal sealed partial class BatchWriter(
    BatchTransaction transaction, StoreProbe probe, OrderParking parking, OrderIds orderIds, WorkerHealth health,
    IOptions<WorkerOptions> options, TimeProvider time, ILogger<BatchWriter> logger)
{
    /// <summary>Collisions of two workers over one batch before it is treated as bad data.</summary>
    private const int CollisionCountMax = 5;

    /// <summary>Failures of a batch before MySQL is probed to see whether it accepts any writes.</summary>
    private const int FailuresBeforeProbe = 3;

    /// <summary>
    /// How long a batch is taken apart while MySQL accepts others, seconds: meanwhile nothing behind it is settled or acked, and each wait
    /// for a lock costs three.
    /// </summary>
    private const int SortingSecondsMax = 10;

    private const string LockedReason = "its SKU's row in MySQL is locked by somebody else";

    private readonly WorkerOptions _options = options.Value;
    private readonly SkuCircuitBreaker _lockedSkus = new(time);

    /// <summary>
    /// How many more batches use the careful way; also at startup, since a killed worker's orders may come. Concurrent batches share the
    /// count: one more or less is harmless, since both ways are correct for any batch.
    /// </summary>
    private int _lookUps = options.Value.LookUpsAfterSurprise;

    /// <summary>False when <paramref name="quit"/> ended the tries; orders without a verdict must then be delivered again.</summary>
    /// <exception cref="HeldTooLongException">The outage lasts longer than <see cref="WorkerOptions.HoldMinutesMax"/>.</exception>
    public async Task<bool> WriteAsync(OrderBatch batch, CancellationToken quit, CancellationToken processing)
    {
        var attempt = new WriteAttempt(batch, new Backoff(_options, time));
        attempt.Begin(parking.Park(batch, batch.Orders, _lockedSkus.ReasonOf));
        while (attempt.Next is { } part)
        {
            try
            {
                if (NumberOrders(part, attempt) && await TryWriteAsync(part, processing))
                {
                    attempt.PopWritten();
                    if (part.Exists(order => order.Verdict is { Kind: VerdictKind.Accepted }))
                    {
                        health.NoteAccepted(OrderStore.MySql);
                    }

                    ConcludeForeignIds(part, attempt);
                    attempt.Backoff.Reset();
                    health.WritingTrouble = null;
                    _lockedSkus.Close(part.Select(order => order.Message.SkuId));
                }
            }
            catch (Exception exception) when (!processing.IsCancellationRequested)
            {
                // Also after a broken connection: the commit may have succeeded.
                LookFirst();
                if (!await RecoverAsync(part, attempt, exception, quit, processing))
                {
                    return false;
                }
            }
        }

        return true;
    }

    /// <summary>Decides how to continue with a failed part; false when <paramref name="quit"/> has fired.</summary>
    private async Task<bool> RecoverAsync(
        List<OrderInHand> part, WriteAttempt attempt, Exception exception, CancellationToken quit, CancellationToken processing)
    {
        switch (MySqlFaults.KindOf(exception))
        {
            case FaultKind.Collision when ++attempt.Collisions <= CollisionCountMax:
            case FaultKind.Deadlock when ++attempt.Deadlocks <= CollisionCountMax:
                LogCollision(exception.Message);
                return true;
            case FaultKind.Collision or FaultKind.Data:
                attempt.Pop();
                SplitOr(order => parking.Refuse(attempt.Batch, order, $"refused by MySQL: {exception.Message}"), part, attempt, exception);
                return true;
            case FaultKind.Locked when await probe.LockedSkusAsync(part, processing) is { Count: > 0 } locked:
                foreach (var skuId in locked)
                {
                    _lockedSkus.Open(skuId, LockedReason);
                }

                attempt.Pop();
                attempt.Push(parking.Park(attempt.Batch, part, skuId => locked.Contains(skuId) ? LockedReason : null));
                return true;
        }

        var isLocked = MySqlFaults.KindOf(exception) == FaultKind.Locked;
        if (!isLocked)
        {
            attempt.ForgetCommit();
        }

        HoldOrThrow(attempt.Batch, attempt.Backoff, exception);
        // A server that reports a lock is there, so it is asked at once.
        if (isLocked || attempt.TakesOthers || attempt.IsReturned || attempt.Backoff.FailureCount >= FailuresBeforeProbe)
        {
            // An order that failed before MySQL was known to accept others is tried again: the outage may have ended in between.
            var isPartAtFault = part.Count > 1 || attempt.TakesOthers;
            attempt.TakesOthers = await probe.CanWriteAsync(processing);
            if (attempt.TakesOthers)
            {
                health.WritingTrouble = null;
                if (isPartAtFault)
                {
                    SortOut(part, attempt, exception);
                }

                return true;
            }

            attempt.SortingSince = null;
        }

        return await attempt.Backoff.WaitAsync(quit);
    }

    /// <summary>False when nothing was written; the next try uses the careful way and finds the reason.</summary>
    private async Task<bool> TryWriteAsync(List<OrderInHand> part, CancellationToken processing)
    {
        var lookUps = Volatile.Read(ref _lookUps);
        if (lookUps > 0)
        {
            await transaction.WriteLockedAsync(part, processing);
            Interlocked.CompareExchange(ref _lookUps, lookUps - 1, lookUps);
            return true;
        }

        if (await transaction.TryWriteAsync(part, processing))
        {
            return true;
        }

        LookFirst();
        return false;
    }

    private void LookFirst() => Volatile.Write(ref _lookUps, Math.Max(1, _options.LookUpsAfterSurprise));

    /// <summary>Waits until MySQL accepts orders again, or the token fires.</summary>
    public async Task WaitUntilReachableAsync(CancellationToken quit)
    {
        var backoff = new Backoff(_options, time);
        try
        {
            while (!await probe.CanWriteAsync(quit))
            {
                if (!await backoff.WaitAsync(quit))
                {
                    return;
                }

                LogUnreachable();
            }

            health.WritingTrouble = null;
        }
        catch (OperationCanceledException) when (quit.IsCancellationRequested)
        {
            // The worker is stopping.
        }
    }

    /// <summary>
    /// Gives another producer's orders their ids, once, so that a repeated try writes the same orders. Returns false when some of them
    /// cannot have one yet: those are queued behind the others.
    /// </summary>
    /// <exception cref="UnnumberedOrdersException">None of the orders has an id or can get one.</exception>
    private bool NumberOrders(List<OrderInHand> part, WriteAttempt attempt)
    {
        var unnumbered = part.Where(order => !HasNumber(order)).ToList();
        if (unnumbered.Count == part.Count)
        {
            throw new UnnumberedOrdersException();
        }

        if (unnumbered.Count > 0)
        {
            attempt.Pop();
            attempt.Push(unnumbered);
            attempt.Push([.. part.Except(unnumbered)]);
        }

        return unnumbered.Count == 0;
    }

    private bool HasNumber(OrderInHand order)
    {
        if (order.OrderId == 0 || Sabotage.Is(Sabotage.NoIdempotency))
        {
            order.OrderId = orderIds.TryNext(out var id) ? id : 0;
        }

        return order.OrderId != 0;
    }

    private static string ReasonOf(Exception exception) =>
        exception is UnnumberedOrdersException ? exception.Message : $"MySQL refuses this one: {exception.Message}";

    /// <summary>
    /// Parks an order that failed alone and splits a larger part. When the time is up, all that have failed are parked untried.
    /// </summary>
    private void SortOut(List<OrderInHand> part, WriteAttempt attempt, Exception exception)
    {
        attempt.Pop();
        SplitOr(order => parking.Park(attempt.Batch, order, OrderStore.MySql, ReasonOf(exception)), part, attempt, exception);
        attempt.SortingSince ??= time.GetTimestamp();
        if (time.GetElapsedTime(attempt.SortingSince.Value).TotalSeconds >= SortingSecondsMax)
        {
            var reason = $"MySQL refuses this one, or one that it was written with: {exception.Message}";
            attempt.PopFailed().ForEach(order => parking.Park(attempt.Batch, order, OrderStore.MySql, reason, mayEnd: false));
        }
    }

    /// <summary>Splits a part of several orders; calls the action for a single order.</summary>
    private void SplitOr(Action<OrderInHand> endOf, List<OrderInHand> part, WriteAttempt attempt, Exception exception)
    {
        if (part.Count == 1)
        {
            endOf(part[0]);
            return;
        }

        LogSplit(part.Count, exception.Message);
        attempt.PushSplit(part);
    }

    /// <summary>
    /// An order id that belongs to another order can be neither written nor answered. If the id was made here it is replaced: another
    /// instance then uses the same Snowflake node.
    /// </summary>
    private void ConcludeForeignIds(List<OrderInHand> part, WriteAttempt attempt)
    {
        var foreign = part.FindAll(order => order.Verdict is null);
        var renumbered = foreign.FindAll(order => !order.FromGate);
        if (renumbered.Count > 0)
        {
            orderIds.Doubt();
            renumbered.ForEach(order => order.OrderId = 0);
            attempt.Push(renumbered);
        }

        foreach (var order in foreign.Where(order => order.FromGate))
        {
            OrderParking.DeadLetter(attempt.Batch, order, "order_id is taken by another order");
        }
    }

    private void HoldOrThrow(OrderBatch batch, Backoff backoff, Exception exception)
    {
        var held = time.GetElapsedTime(batch.StartedAt);
        if (held > TimeSpan.FromMinutes(_options.HoldMinutesMax))
        {
            throw new HeldTooLongException($"MySQL has been away for {held.TotalMinutes:F0} minutes: {exception.Message}", exception);
        }

        health.WritingTrouble = exception.Message;

        LogHeld(batch.Orders.Count, exception.Message, (exception as MySqlException)?.ErrorCode);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Conflict with another transaction, deciding again: {Reason}")]
    private partial void LogCollision(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "MySQL refuses one of {OrderCount} orders; they are split to find it: {Reason}")]
    private partial void LogSplit(int orderCount, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "MySQL accepts no orders; holding {OrderCount}: {Reason} ({ErrorCode})")]
    private partial void LogHeld(int orderCount, string reason, MySqlErrorCode? errorCode);

    [LoggerMessage(Level = LogLevel.Warning, Message = "MySQL still accepts no orders")]
    private partial void LogUnreachable();
}
