using System.Diagnostics;
using System.Threading.Channels;
using Seckill.Api.Publishing;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>
/// The queue of one SKU in front of Redis. What arrives while a script call is under way shares the next one (natural batching: no timer,
/// so a lone request never waits), and a burst costs Redis a call for every <c>BatchSizeMax</c> requests instead of one each.
/// </summary>
internal sealed partial class GateLane
{
    private readonly SkuKeys _sku;
    private readonly StockLedger _ledger;
    private readonly OrderPublisher _publisher;
    private readonly GateOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Channel<Click> _waiting;
    private long _failed;
    private long _reportedAt;

    public GateLane(
        SkuKeys sku, StockLedger ledger, OrderPublisher publisher, GateOptions options, TimeProvider time, ILogger logger, CancellationToken stopping)
    {
        _sku = sku;
        _ledger = ledger;
        _publisher = publisher;
        _options = options;
        _logger = logger;
        _time = time;
        Shield = new SoldOutShield(options, time);
        _waiting = Channel.CreateBounded<Click>(new BoundedChannelOptions(options.WaitingMax) { SingleReader = true });
        Completion = Task.Run(() => RunAsync(stopping), CancellationToken.None);
    }

    public SkuKeys Sku => _sku;

    public SoldOutShield Shield { get; }

    /// <summary>Ends when the lane was told to stop and all that waited has its answer.</summary>
    public Task Completion { get; }

    /// <summary>Stops taking requests; those waiting are still answered.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    /// <summary>
    /// Takes a click; false when too many wait already. The answer comes even when the caller hangs up: stock may have moved.
    /// </summary>
    public bool TryAsk(Click click) => _waiting.Writer.TryWrite(click);

    private async Task RunAsync(CancellationToken stopping)
    {
        var batch = new List<Click>(_options.BatchSizeMax);
        while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            while (batch.Count < _options.BatchSizeMax && _waiting.Reader.TryRead(out var click))
            {
                batch.Add(click);
            }

            await AskAsync(batch, stopping);
            batch.Clear();
        }
    }

    private async Task AskAsync(List<Click> batch, CancellationToken stopping)
    {
        try
        {
            var requests = new ReserveRequest[batch.Count];
            for (var i = 0; i < requests.Length; i++)
            {
                requests[i] = batch[i].Request;
            }

            var reply = await _ledger.ReserveAsync(_sku, requests, stopping);
            var soldOut = false;
            for (var i = 0; i < batch.Count; i++)
            {
                soldOut |= reply.Results[i].Code == ReserveCode.SoldOut;
                Answer(batch[i], reply.Results[i], reply, batch.Count);
            }

            if (Shield.Learn(reply, soldOut))
            {
                await ArmAsync(reply, stopping);
            }
        }
        catch (Exception exception)
        {
            // Whoever has no answer yet gets the reason; a failure while arming the shield concerns nobody.
            Report(batch.Count, exception);
            foreach (var click in batch)
            {
                click.Fail(exception);
            }
        }
    }

    private void Answer(Click click, ReserveResult result, ReserveReply reply, int batchSize)
    {
        click.EndQuestion(result, batchSize);
        if (result.Code != ReserveCode.Accepted)
        {
            click.Answer(result);
            return;
        }

        click.Accept(reply);
        CrashPoint.Reach(CrashPoint.Reserved);
        if (!_publisher.TryPublish(click))
        {
            // No broker: the outbox holds the order, and the buyer need not wait.
            click.Answer(result);
        }
    }

    /// <summary>One line a second says it as well as one for every batch of an outage.</summary>
    private void Report(int count, Exception exception)
    {
        _failed += count;
        if (_reportedAt == 0 || _time.GetElapsedTime(_reportedAt) >= TimeSpan.FromSeconds(1))
        {
            LogFailed(_sku.SkuId, _failed, exception.Message);
            (_failed, _reportedAt) = (0, _time.GetTimestamp());
        }
    }

    private async Task ArmAsync(ReserveReply reply, CancellationToken stopping)
    {
        Debug.Assert(reply.StockLeft <= 0, "The shield stands only in front of an empty counter.");
        var buyers = await _ledger.BuyersAsync(_sku, _options.ShieldBuyersMax, stopping);
        if (buyers is not null)
        {
            Shield.Arm(reply, buyers);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "SKU {SkuId}: the gate could not ask Redis for {Count} requests: {Reason}")]
    private partial void LogFailed(long skuId, long count, string reason);
}
