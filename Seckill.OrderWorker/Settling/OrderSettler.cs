using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.Batches;
using Seckill.OrderWorker.Parking;

namespace Seckill.OrderWorker.Settling;

/// <summary>
/// Settles committed verdicts in Redis, one script call for up to <see cref="ChunkSizeMax"/> orders of a SKU. Settling twice is harmless,
/// so failed calls are repeated after all others have succeeded. While Redis accepts no writes at all, the messages are held. While it
/// accepts some writes, the orders of the SKUs that fail are parked.
/// </summary>
internal sealed partial class OrderSettler(
    StockLedger ledger, OrderParking parking, WorkerHealth health, IOptions<WorkerOptions> options, TimeProvider time,
    ILogger<OrderSettler> logger)
{
    /// <summary>Maximum number of orders in one script call; Redis runs nothing else meanwhile.</summary>
    private const int ChunkSizeMax = 128;

    /// <summary>Script calls sent together in one send.</summary>
    private const int CallsTogetherMax = 64;

    /// <summary>Sends in flight at once: Redis processes one while the replies of the other are read.</summary>
    private const int SendsMax = 2;

    /// <summary>Failed tries before orders are parked, if Redis accepts other writes.</summary>
    private const int TriesBeforeParking = 3;

    private sealed record Chunk(SkuKeys Sku, List<(OrderInHand Order, Settlement Settlement)> Items);

    private readonly WorkerOptions _options = options.Value;
    private readonly SkuCircuitBreaker _awaySkus = new(time);

    /// <summary>Settles a batch in which all orders have been decided, except the orders that it parks.</summary>
    /// <exception cref="HeldTooLongException">The outage lasts longer than <see cref="WorkerOptions.HoldMinutesMax"/>.</exception>
    /// <exception cref="OperationCanceledException">A token ended the tries.</exception>
    public async Task SettleAsync(OrderBatch batch, CancellationToken quit, CancellationToken processing)
    {
        var chunks = batch.Orders
            .Select(order => (Order: order, Settlement: OrderSettlement.Of(order)))
            .Where(item => item.Settlement is not null)
            .GroupBy(item => item.Order.Message.SkuId, item => (item.Order, item.Settlement!.Value))
            .SelectMany(sku => sku.Chunk(ChunkSizeMax).Select(items => new Chunk(new SkuKeys(sku.Key), [.. items])))
            .ToList();
        chunks.RemoveAll(chunk => _awaySkus.ReasonOf(chunk.Sku.SkuId) is { } reason && Park(chunk, reason, batch));
        var backoff = new Backoff(_options, time);
        var takesOthers = false;
        var failed = await CallAllAsync(chunks, processing);
        while (failed.Count > 0)
        {
            var last = failed[0].Error;
            var waiting = await SortOutAsync(failed, processing);
            if (takesOthers)
            {
                var reason = $"its Redis accepts no verdicts: {last.Message}";
                waiting.ForEach(chunk => _awaySkus.Open(chunk.Sku.SkuId, reason));
                waiting.RemoveAll(chunk => Park(chunk, reason, batch));
            }
            else if (waiting.Count > 0)
            {
                takesOthers = await WaitAsync(waiting, last, batch, backoff, quit, processing);
            }

            failed = await CallAllAsync(waiting, processing);
        }

        health.SettlingTrouble = null;
        _awaySkus.Close(chunks.Select(chunk => chunk.Sku.SkuId).Except(batch.Parked.Select(parked => parked.Order.Message.SkuId)));
    }

    /// <summary>Makes one call for each chunk; returns the chunks that failed.</summary>
    private async Task<List<(Chunk Chunk, Exception Error)>> CallAllAsync(List<Chunk> chunks, CancellationToken cancellationToken)
    {
        var failed = new ConcurrentQueue<(Chunk, Exception)>();
        await Parallel.ForEachAsync(
            chunks.Chunk(CallsTogetherMax),
            new ParallelOptions { MaxDegreeOfParallelism = SendsMax, CancellationToken = cancellationToken },
            async (together, token) =>
            {
                var errors = await CallAsync(together, token);
                for (var i = 0; i < together.Length; i++)
                {
                    if (errors[i] is { } error)
                    {
                        failed.Enqueue((together[i], error));
                    }
                }
            });
        return [.. failed];
    }

    /// <summary>
    /// The script may fail because of one stored record. Then the orders are settled one by one, so that the record affects its own order
    /// alone. Returns the chunks that have to wait.
    /// </summary>
    private async Task<List<Chunk>> SortOutAsync(List<(Chunk Chunk, Exception Error)> failed, CancellationToken cancellationToken)
    {
        var (waiting, singles) = (new List<Chunk>(), new List<Chunk>());
        foreach (var (chunk, error) in failed)
        {
            if (!RedisRefusals.IsAboutStoredData(error))
            {
                waiting.Add(chunk);
            }
            else if (chunk.Items.Count == 1)
            {
                GiveUp(chunk, error);
            }
            else
            {
                singles.AddRange(chunk.Items.Select(item => new Chunk(chunk.Sku, [item])));
            }
        }

        foreach (var (chunk, error) in await CallAllAsync(singles, cancellationToken))
        {
            if (RedisRefusals.IsAboutStoredData(error))
            {
                GiveUp(chunk, error);
            }
            else
            {
                waiting.Add(chunk);
            }
        }

        return waiting;
    }

    /// <summary>MySQL has the verdict and answers the buyer; holding all other orders for this one would not help.</summary>
    private void GiveUp(Chunk chunk, Exception exception)
    {
        var (order, settlement) = chunk.Items[0];
        LogRefused(settlement.OrderId, chunk.Sku.SkuId, exception.Message);
        Count(order.Verdict!.Kind, "Refused");
    }

    /// <summary>
    /// Waits before the next try. After some tries, returns at once whether Redis accepts other writes. That is no reason yet to stop
    /// waiting: the outage may have ended between the last try and this question, so the next try decides.
    /// </summary>
    private async Task<bool> WaitAsync(
        List<Chunk> waiting, Exception last, OrderBatch batch, Backoff backoff, CancellationToken quit, CancellationToken cancellationToken)
    {
        LogHeld(waiting.Sum(chunk => chunk.Items.Count), waiting[0].Sku.SkuId, last.Message);
        if (backoff.FailureCount >= TriesBeforeParking && await ledger.TakesWritesAsync(cancellationToken))
        {
            return true;
        }

        health.SettlingTrouble = last.Message;
        var held = time.GetElapsedTime(batch.StartedAt);
        if (held > TimeSpan.FromMinutes(_options.HoldMinutesMax))
        {
            throw new HeldTooLongException($"Redis has been away for {held.TotalMinutes:F0} minutes: {last.Message}", last);
        }

        if (!await backoff.WaitAsync(quit))
        {
            throw new OperationCanceledException($"Redis is unavailable ({last.Message}) and the worker may not wait.", last, quit);
        }

        return false;
    }

    /// <summary>
    /// Parks the orders of a SKU whose Redis is unavailable. An order that could not be recognised when delivered again stays unsettled in
    /// Redis: MySQL has it.
    /// </summary>
    private bool Park(Chunk chunk, string reason, OrderBatch batch)
    {
        foreach (var (order, settlement) in chunk.Items)
        {
            if (order.IsUnmistakable)
            {
                parking.Park(batch, order, OrderStore.Redis, reason);
            }
            else
            {
                LogRefused(settlement.OrderId, chunk.Sku.SkuId, reason);
            }
        }

        return true;
    }

    /// <summary>One send; for each chunk null, or the error.</summary>
    private async Task<Exception?[]> CallAsync(Chunk[] chunks, CancellationToken cancellationToken)
    {
        var spans = Array.ConvertAll(chunks, StartSpans);
        try
        {
            var replies = await ledger.SettleAsync(
                Array.ConvertAll(chunks, chunk => (chunk.Sku, (IReadOnlyList<Settlement>)chunk.Items.ConvertAll(item => item.Settlement))),
                cancellationToken);
            for (var i = 0; i < chunks.Length; i++)
            {
                var (codes, error) = replies[i];
                for (var order = 0; order < codes.Length; order++)
                {
                    Note(chunks[i], order, codes[order]);
                }

                if (error is not null)
                {
                    spans[i].ForEach(span => span.SetStatus(ActivityStatusCode.Error, error.Message));
                }
            }

            if (replies.Any(reply => reply.Error is null))
            {
                health.NoteAccepted(OrderStore.Redis);
            }

            return Array.ConvertAll(replies, reply => reply.Error);
        }
        finally
        {
            foreach (var span in spans)
            {
                span.ForEach(WorkerTelemetry.StopDetached);
            }
        }
    }

    /// <summary>One span for each order: every trace shows its own settling, though one call settles many orders.</summary>
    private static List<Activity> StartSpans(Chunk chunk)
    {
        var spans = new List<Activity>();
        foreach (var (order, _) in chunk.Items)
        {
            if (order.Span is null)
            {
                continue;
            }

            Activity.Current = null;
            if (OrderingTelemetry.StartScript("settle", order.Span.Context) is { } span)
            {
                spans.Add(span);
            }
        }

        Activity.Current = null;
        return spans;
    }

    private void Note(Chunk chunk, int index, SettleCode code)
    {
        var (order, settlement) = chunk.Items[index];
        Count(order.Verdict!.Kind, code.ToString());
        if (code == SettleCode.Contradicted)
        {
            var (decided, told) = settlement.Success ? ("SUCCESS", "FAILED") : ("FAILED", "SUCCESS");
            LogContradicted(settlement.OrderId, chunk.Sku.SkuId, told, decided, settlement.Detail);
        }
        else if (code is SettleCode.OtherBuyer or SettleCode.Unreadable)
        {
            LogRefused(
                settlement.OrderId, chunk.Sku.SkuId,
                code == SettleCode.OtherBuyer ? "the reservation there is another buyer's" : "what stands there cannot be read");
        }
    }

    private static void Count(VerdictKind kind, string result) =>
        WorkerTelemetry.Settlements.Add(1, new("outcome", kind.ToString()), new("result", result));

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis accepts no verdicts; holding {OrderCount} orders of SKU {SkuId}: {Reason}")]
    private partial void LogHeld(int orderCount, long skuId, string reason);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "The verdict on order {OrderId} of SKU {SkuId} cannot be recorded in Redis: {Reason}; MySQL has it")]
    private partial void LogRefused(long orderId, long skuId, string reason);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "The buyer of order {OrderId} of SKU {SkuId} was told {Told}, but MySQL's verdict is {Decided} ({Detail}); "
            + "neither is changed, so an operator must contact the buyer")]
    private partial void LogContradicted(long orderId, long skuId, string told, string decided, string detail);
}
