using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Seckill.Api.Publishing;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Gate;

/// <summary>The lanes of all SKUs that were asked for, each made when it is first needed. Disposing answers what waits in them.</summary>
public sealed class GateLanes(
    StockLedger ledger, OrderPublisher publisher, IOptions<GateOptions> options, TimeProvider time, ILogger<GateLanes> logger)
    : IAsyncDisposable
{
    private readonly ConcurrentDictionary<long, GateLane> _lanes = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly GateOptions _options = options.Value;

    /// <summary>Stock has come back: the next click asks Redis again.</summary>
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

        await Task.WhenAll(_lanes.Values.Select(lane => lane.Completion));
        await _stopping.CancelAsync();
        _stopping.Dispose();
    }

    internal GateLane LaneOf(long skuId) => _lanes.GetOrAdd(skuId, static (id, lanes) => lanes.Make(id), this);

    private GateLane Make(long skuId) => new(new SkuKeys(skuId), ledger, publisher, _options, time, logger, _stopping.Token);
}
