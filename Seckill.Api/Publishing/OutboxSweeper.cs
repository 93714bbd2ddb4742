using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Publishing;

/// <summary>
/// Publishes orders again that are still unconfirmed after <c>SweepGraceMs</c>: the process that reserved them died, or RabbitMQ was down.
/// Hosted in every instance, active in the one that holds the lease. Only unconfirmed orders are repeated, so a queue that is merely long
/// is not flooded. Covers every SKU that Redis has data for, including those whose sale was deleted. After a failure the instance leaves
/// the lease to another one.
/// </summary>
public sealed partial class OutboxSweeper : BackgroundService
{
    private const string LeaseKey = "seckill:outbox:sweeper";

    /// <summary>Most SKUs queried together; Redis runs one script call for each.</summary>
    private const int SkusTogetherMax = 64;

    private readonly StockLedger _ledger;
    private readonly OrderPublisher _publisher;
    private readonly SaleCatalogue _catalogue;
    private readonly Orphans _orphans;
    private readonly SaleCursor _cursor;
    private readonly PublishOptions _options;
    private readonly Lease _lease;
    private readonly TimeProvider _time;
    private readonly ILogger<OutboxSweeper> _logger;

    public OutboxSweeper(
        StockLedger ledger, SalesGone gone, OrderPublisher publisher, SaleCatalogue catalogue, IConnectionMultiplexer redis,
        IOptions<PublishOptions> options, TimeProvider time, ILogger<OutboxSweeper> logger)
    {
        (_ledger, _publisher, _catalogue, _options, _time, _logger) = (ledger, publisher, catalogue, options.Value, time, logger);
        _lease = new Lease(redis, LeaseKey, _options.SweepLeaseMs);
        _orphans = new Orphans(gone, _options.OrphanLookEveryMs, time, logger);
        _cursor = new SaleCursor(() => _orphans.SkuIds.Count == 0
            ? catalogue.KeptSkuIds
            : [.. catalogue.KeptSkuIds.Union(_orphans.SkuIds).Order()]);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(_options.SweepEveryMs), _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                if (!await TrySweepAsync(stoppingToken))
                {
                    // One turn is left to the other instances.
                    await Task.Delay(2 * timer.Period, _time, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await ReleaseAsync();
            LogStopped();
        }
    }

    /// <summary>False when the sweep failed; then the lease has been released.</summary>
    private async Task<bool> TrySweepAsync(CancellationToken stoppingToken)
    {
        var held = false;
        try
        {
            // Before the sales have been read, there is nothing to sweep here; another instance may have read them.
            held = _publisher.Connected && _catalogue.Loaded && await _lease.HoldAsync(stoppingToken);
            if (held)
            {
                await SweepAsync(stoppingToken);
            }
            else if (!_publisher.Connected)
            {
                await ReleaseAsync();
            }

            return true;
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(exception.Message);
        }

        if (held)
        {
            await ReleaseAsync();
        }

        return !held;
    }

    private async Task ReleaseAsync()
    {
        try
        {
            await _lease.ReleaseAsync();
        }
        catch (Exception exception)
        {
            LogLeaseKept(exception.Message);
        }
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        await _orphans.LookAsync(cancellationToken);
        var (dueCount, confirmedCount) = (0, 0);
        Exception? unanswered = null;
        foreach (var skuIds in _cursor.Next().Chunk(SkusTogetherMax))
        {
            var replies = await _ledger.TakeUnconfirmedAsync(
                Array.ConvertAll(skuIds, id => new SkuKeys(id)), _options.SweepGraceMs, _options.SweepBatchSizeMax, cancellationToken);
            foreach (var (sku, due, _) in replies.Where(reply => reply.Due.Count > 0))
            {
                dueCount += due.Count;
                confirmedCount += (await PublishAsync(sku, due, cancellationToken)).Count(isConfirmed => isConfirmed);
            }

            if (Array.FindAll(replies, reply => reply.Error is not null) is [var failed, ..] all)
            {
                LogNotWhole(all.Length, failed.Sku.SkuId, failed.Error!.Message);
                unanswered ??= Array.Find(all, reply => !RedisRefusals.IsAboutStoredData(reply.Error!)).Error;
            }
        }

        // Another instance may reach what this one does not. The connection to the broker alone proves nothing: the account may lack a
        // permission, or the node its quorum.
        if (unanswered is not null || (dueCount > 0 && confirmedCount == 0))
        {
            throw new SweepFailedException(unanswered?.Message ?? $"the broker has confirmed none of {dueCount} orders");
        }
    }

    /// <summary>Whether each order that was handed to the publisher is confirmed.</summary>
    private async Task<bool[]> PublishAsync(SkuKeys sku, IReadOnlyList<Reservation> due, CancellationToken cancellationToken)
    {
        LogSwept(sku.SkuId, due.Count);
        CrashPoint.Reach(CrashPoint.Swept);
        var published = new List<Task<bool>>(due.Count);
        foreach (var reservation in due)
        {
            var order = new SweptOrder(sku, reservation);
            if (_publisher.TryPublish(order))
            {
                published.Add(order.Confirmed);
            }
        }

        return await Task.WhenAll(published).WaitAsync(cancellationToken);
    }

    private sealed class SweepFailedException(string message) : Exception(message);

    [LoggerMessage(
        Level = LogLevel.Information, Message = "SKU {SkuId}: {Count} orders in the outbox without a confirm are published again")]
    private partial void LogSwept(long skuId, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outbox was not swept: {Reason}")]
    private partial void LogFailed(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "The outbox of {Count} SKUs, including {SkuId}, was not swept, or only in part: {Reason}")]
    private partial void LogNotWhole(int count, long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The sweeper stops")]
    private partial void LogStopped();

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Another instance sweeps only when this one's lease expires, because it could not be released: {Reason}")]
    private partial void LogLeaseKept(string reason);
}
