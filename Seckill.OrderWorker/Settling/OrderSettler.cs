using System.Diagnostics;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.Batches;
using StackExchange.Redis;

namespace Seckill.OrderWorker.Settling;

/// <summary>
/// Tells Redis the committed verdicts, one script call for up to <see cref="ChunkSizeMax"/> orders of a SKU. Settling twice is harmless, so
/// whatever goes wrong is simply tried again, and the messages are held meanwhile.
/// </summary>
internal sealed partial class OrderSettler(
    StockLedger ledger, WorkerHealth health, IOptions<WorkerOptions> options, TimeProvider time, ILogger<OrderSettler> logger)
{
    /// <summary>Orders in one script call: Redis runs nothing else meanwhile.</summary>
    private const int ChunkSizeMax = 128;

    /// <summary>Script calls that are sent together.</summary>
    private const int CallsTogetherMax = 64;

    /// <summary>Such sends under way at once: Redis works on one while the other's replies are read.</summary>
    private const int SendsMax = 2;

    /// <summary>Tries before an error of the script itself is taken to be the fault of the data in Redis.</summary>
    private const int ScriptErrorCountMax = 3;

    private sealed record Chunk(SkuKeys Sku, List<(OrderInHand Order, Settlement Settlement)> Items);

    private readonly WorkerOptions _options = options.Value;

    /// <summary>Settles a batch whose orders all have been decided.</summary>
    /// <exception cref="HeldTooLongException">The outage outlasts <see cref="WorkerOptions.HoldMinutesMax"/>.</exception>
    /// <exception cref="OperationCanceledException">A token ended the tries.</exception>
    public Task SettleAsync(OrderBatch batch, CancellationToken quit, CancellationToken processing)
    {
        var chunks = batch.Orders
            .Select(order => (Order: order, Settlement: SettlementOf(order)))
            .Where(item => item.Settlement is not null)
            .GroupBy(item => item.Order.Message.SkuId, item => (item.Order, item.Settlement!.Value))
            .SelectMany(sku => sku.Chunk(ChunkSizeMax).Select(items => new Chunk(new SkuKeys(sku.Key), [.. items])));
        return Parallel.ForEachAsync(
            chunks.Chunk(CallsTogetherMax),
            new ParallelOptions { MaxDegreeOfParallelism = SendsMax, CancellationToken = processing },
            async (together, cancellationToken) => await SettleAsync(together, batch.StartedAt, quit, cancellationToken));
    }

    /// <summary>
    /// What to tell of an order; null for nothing. Another producer's message that turned out to be a copy has an id that nobody asks for;
    /// if it is known to be the very same message, the first copy may have been committed by a worker that died before settling, so that
    /// one is settled.
    /// </summary>
    private static Settlement? SettlementOf(OrderInHand order)
    {
        if (order.Verdict is not { } verdict)
        {
            return null;
        }

        var message = order.Message;
        var (id, deducted) = (order.OrderId, verdict.StockDeducted);
        if (verdict.Kind == VerdictKind.DuplicateClick && !order.FromGate)
        {
            if (order.ClickNo?.StartsWith(OrderIntake.MessageIdPrefix, StringComparison.Ordinal) != true)
            {
                return null;
            }

            (id, deducted) = (verdict.OrderId, true);
        }

        return new Settlement(
            id, verdict.Success, verdict.Detail, deducted, verdict.CommittedEpoch, message.Quantity, message.UserId, message.ClientOrderNo,
            order.FromGate ? message.Epoch : null);
    }

    private async Task SettleAsync(Chunk[] chunks, long startedAt, CancellationToken quit, CancellationToken cancellationToken)
    {
        var errors = await CallAsync(chunks, cancellationToken);
        for (var i = 0; i < chunks.Length; i++)
        {
            if (errors[i] is { } error)
            {
                await RetryAsync(chunks[i], error, startedAt, quit, cancellationToken);
            }
        }

        health.SettlingTrouble = null;
    }

    /// <summary>Alone and again, until the verdicts are told.</summary>
    private async Task RetryAsync(Chunk chunk, Exception error, long startedAt, CancellationToken quit, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(_options, time);
        for (Exception? last = error; last is not null; last = (await CallAsync([chunk], cancellationToken))[0])
        {
            if (backoff.FailureCount >= ScriptErrorCountMax && IsScriptError(last))
            {
                await IsolateAsync(chunk, startedAt, last, quit, cancellationToken);
                return;
            }

            health.SettlingTrouble = last.Message;
            LogHeld(chunk.Items.Count, chunk.Sku.SkuId, last.Message);
            var held = time.GetElapsedTime(startedAt);
            if (held > TimeSpan.FromMinutes(_options.HoldMinutesMax))
            {
                throw new HeldTooLongException($"Redis has been away for {held.TotalMinutes:F0} minutes: {last.Message}", last);
            }

            if (!await backoff.WaitAsync(quit))
            {
                throw new OperationCanceledException($"Redis is away ({last.Message}) and the worker may not wait.", last, quit);
            }
        }
    }

    /// <summary>One send; for each chunk null, or why it failed.</summary>
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
                    Count(chunks[i].Items[order].Order.Verdict!.Kind, codes[order].ToString());
                }

                if (error is not null)
                {
                    spans[i].ForEach(span => span.SetStatus(ActivityStatusCode.Error, error.Message));
                }
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

    /// <summary>One by one, so that a record in Redis that the script cannot digest concerns its own order alone.</summary>
    private async Task IsolateAsync(
        Chunk chunk, long startedAt, Exception exception, CancellationToken quit, CancellationToken cancellationToken)
    {
        if (chunk.Items.Count == 1)
        {
            // MySQL has the verdict and answers for it; holding everybody's orders for this one would help nobody.
            var (order, settlement) = chunk.Items[0];
            LogRefused(settlement.OrderId, chunk.Sku.SkuId, exception.Message);
            Count(order.Verdict!.Kind, "Refused");
            health.SettlingTrouble = null;
            return;
        }

        foreach (var item in chunk.Items)
        {
            await SettleAsync([new Chunk(chunk.Sku, [item])], startedAt, quit, cancellationToken);
        }
    }

    /// <summary>A span for each order: every order's trace shows its own settling, though one call settles many.</summary>
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

    private static void Count(VerdictKind kind, string result) =>
        WorkerTelemetry.Settlements.Add(1, new("outcome", kind.ToString()), new("result", result));

    /// <summary>An error that comes from running the script on what is stored, not from the server's state.</summary>
    private static bool IsScriptError(Exception exception) =>
        exception is FormatException
        || (exception is RedisServerException && (exception.Message.StartsWith("ERR", StringComparison.Ordinal)
            || exception.Message.StartsWith("WRONGTYPE", StringComparison.Ordinal)));

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis takes no verdicts, {OrderCount} of SKU {SkuId} held: {Reason}")]
    private partial void LogHeld(int orderCount, long skuId, string reason);

    [LoggerMessage(
        Level = LogLevel.Error, Message = "The verdict on order {OrderId} of SKU {SkuId} cannot be told to Redis: {Reason}; MySQL has it")]
    private partial void LogRefused(long orderId, long skuId, string reason);
}
