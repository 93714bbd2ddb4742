using System.Diagnostics;
using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ids;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// Brings every order of a batch to a committed verdict; several batches may be under way at once. An outage holds the batch, however long:
/// it is tried again as a whole, nothing is dead-lettered, and since nothing is acked the broker stops handing out at the prefetch. A bad
/// order is found by halving the batch until it stands alone; it is dead-lettered, the others commit.
/// </summary>
internal sealed partial class BatchWriter(
    BatchTransaction transaction, OrderIds orderIds, WorkerHealth health, IOptions<WorkerOptions> options, TimeProvider time,
    ILogger<BatchWriter> logger)
{
    /// <summary>Times that two workers may get into each other's way over one batch before it is treated as bad data.</summary>
    private const int CollisionCountMax = 5;

    private readonly WorkerOptions _options = options.Value;

    /// <summary>
    /// How many batches are still to look first; at the start, too, what comes may be another worker's legacy. Batches written at the same
    /// time share it: one more or less does no harm, since either way is right for any batch.
    /// </summary>
    private int _lookUps = options.Value.LookUpsAfterSurprise;

    /// <summary>False when <paramref name="quit"/> ended the tries; what has no verdict then must be delivered again.</summary>
    /// <exception cref="HeldTooLongException">The outage outlasts <see cref="WorkerOptions.HoldMinutesMax"/>.</exception>
    public async Task<bool> WriteAsync(OrderBatch batch, CancellationToken quit, CancellationToken processing)
    {
        var backoff = new Backoff(_options, time);
        var (collisions, deadlocks) = (0, 0);
        var parts = new Stack<List<OrderInHand>>();
        if (batch.Orders.Count > 0)
        {
            parts.Push(batch.Orders);
        }

        while (parts.TryPeek(out var part))
        {
            try
            {
                NumberOrders(part);
                if (!await TryWriteAsync(part, processing))
                {
                    continue;
                }

                parts.Pop();
                DeadLetterForeignIds(part, batch);
                backoff.Reset();
                health.WritingTrouble = null;
            }
            catch (Exception exception) when (!processing.IsCancellationRequested)
            {
                // Also after a broken connection: its commit may have gone through.
                LookFirst();
                switch (MySqlFaults.KindOf(exception))
                {
                    case FaultKind.Collision when ++collisions <= CollisionCountMax:
                    case FaultKind.Deadlock when ++deadlocks <= CollisionCountMax:
                        LogCollision(exception.Message);
                        break;
                    case FaultKind.Collision or FaultKind.Data:
                        parts.Pop();
                        Halve(part, parts, exception, batch);
                        break;
                    default:
                        HoldOrThrow(batch, backoff, exception);
                        if (!await backoff.WaitAsync(quit))
                        {
                            return false;
                        }

                        break;
                }
            }
        }

        return true;
    }

    /// <summary>False when nothing was written and the next try, which looks first, will tell why.</summary>
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

    /// <summary>Waits until MySQL answers again, or the token fires.</summary>
    public async Task WaitUntilReachableAsync(CancellationToken quit)
    {
        var backoff = new Backoff(_options, time);
        do
        {
            try
            {
                await transaction.PingAsync(quit);
                return;
            }
            catch (Exception exception) when (!quit.IsCancellationRequested)
            {
                LogUnreachable(exception.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
        while (await backoff.WaitAsync(quit));
    }

    /// <summary>Gives another producer's orders their ids, once: a repeated try writes the same order.</summary>
    private void NumberOrders(List<OrderInHand> part)
    {
        foreach (var order in part)
        {
            if (order.OrderId == 0 || Sabotage.Is(Sabotage.NoIdempotency))
            {
                order.OrderId = orderIds.TryNext(out var id) ? id : throw new InvalidOperationException("no Snowflake node is leased yet");
            }
        }
    }

    private void Halve(List<OrderInHand> part, Stack<List<OrderInHand>> parts, Exception exception, OrderBatch batch)
    {
        if (part.Count == 1)
        {
            DeadLetter(part[0], $"refused by MySQL: {exception.Message}", batch);
            return;
        }

        LogHalved(part.Count, exception.Message);
        var half = part.Count / 2;
        parts.Push(part.GetRange(half, part.Count - half));
        // On top, so that first come is first served.
        parts.Push(part.GetRange(0, half));
    }

    /// <summary>An order id that is another buyer's order can neither be written nor be answered.</summary>
    private static void DeadLetterForeignIds(List<OrderInHand> part, OrderBatch batch)
    {
        foreach (var order in part)
        {
            if (order.Verdict is null)
            {
                DeadLetter(order, "order_id is taken by another buyer's order", batch);
            }
        }
    }

    /// <summary>Its reservation stays as it is: an operator decides between replaying and abandoning it. The batch ends its span.</summary>
    private static void DeadLetter(OrderInHand order, string reason, OrderBatch batch)
    {
        order.Span?.SetStatus(ActivityStatusCode.Error, reason);
        batch.DeadLetters.Add(new DeadLetter(order.Delivery, order.Body, order.Part, reason, order.Span));
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Another transaction was in the way, deciding again: {Reason}")]
    private partial void LogCollision(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "One of {OrderCount} orders is refused by MySQL, halving to find it: {Reason}")]
    private partial void LogHalved(int orderCount, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "MySQL takes no orders, {OrderCount} held: {Reason} ({ErrorCode})")]
    private partial void LogHeld(int orderCount, string reason, MySqlErrorCode? errorCode);

    [LoggerMessage(Level = LogLevel.Warning, Message = "MySQL does not answer: {Reason}")]
    private partial void LogUnreachable(string reason);
}
