using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Publishing;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>
/// The lanes of all requested SKUs. Each is created on first use, and closed when its sale has left the catalogue. Disposing answers the
/// clicks still waiting in them.
/// </summary>
public sealed class GateLanes : IAsyncDisposable
{
    private readonly ConcurrentDictionary<long, GateLane> _lanes = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly StockLedger _ledger;
    private readonly StockRecovery _recovery;
    private readonly OrderPublisher _publisher;
    private readonly GateOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<GateLanes> _logger;
    private readonly Lock _lock = new();

    /// <summary>Closed lanes that still have waiting clicks to answer.</summary>
    private readonly List<GateLane> _closing = [];

    public GateLanes(
        StockLedger ledger, StockRecovery recovery, OrderPublisher publisher, SaleCatalogue catalogue, IOptions<GateOptions> options,
        TimeProvider time, ILogger<GateLanes> logger)
    {
        (_ledger, _recovery, _publisher, _options, _time, _logger) = (ledger, recovery, publisher, options.Value, time, logger);
        catalogue.Refreshed += () => Prune(catalogue.Find);
    }

    /// <summary>Lanes that are open or still have waiting clicks to answer.</summary>
    internal int Count
    {
        get
        {
            lock (_lock)
            {
                return _lanes.Count + _closing.Count(lane => !lane.Completion.IsCompleted);
            }
        }
    }

    /// <summary>The newest order of the SKU that Redis has accepted through this instance; null when there is none.</summary>
    public AcceptedOrder? NewestOf(long skuId) => _lanes.TryGetValue(skuId, out var lane) ? lane.Newest : null;

    /// <summary>Stock has been returned: the next click queries Redis again.</summary>
    public void Reopen(long skuId)
    {
        if (_lanes.TryGetValue(skuId, out var lane))
        {
            lane.Shield.Open();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var lane in _lanes.Values)
        {
            lane.Complete();
        }

        Task[] completions;
        lock (_lock)
        {
            completions = [.. _lanes.Values.Concat(_closing).Select(lane => lane.Completion)];
        }

        await Task.WhenAll(completions);
        await _stopping.CancelAsync();
        _stopping.Dispose();
    }

    internal GateLane LaneOf(long skuId)
    {
        if (_lanes.TryGetValue(skuId, out var lane))
        {
            return lane;
        }

        var made = new GateLane(new SkuKeys(skuId), _ledger, _recovery, _publisher, _options, _time, _logger, _stopping.Token);
        lane = _lanes.GetOrAdd(skuId, made);
        if (lane != made)
        {
            made.Complete();
        }

        return lane;
    }

    /// <summary>
    /// Closes the lanes of SKUs that no longer have a sale. Once a sale is over, its shield forgets all buyers: Redis tells their clicks
    /// that it has ended. A click that arrives at a closing lane is asked to retry.
    /// </summary>
    internal void Prune(Func<long, SaleView?> saleOf)
    {
        var now = _time.GetUtcNow();
        lock (_lock)
        {
            _closing.RemoveAll(lane => lane.Completion.IsCompleted);
            foreach (var (skuId, lane) in _lanes)
            {
                if (saleOf(skuId) is not { } sale)
                {
                    _lanes.TryRemove(skuId, out _);
                    lane.Complete();
                    _closing.Add(lane);
                }
                else if (sale.Terms.EndsAt <= now)
                {
                    lane.Shield.Open();
                }
            }
        }
    }
}
