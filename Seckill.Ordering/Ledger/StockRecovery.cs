using System.Globalization;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>What Redis says of a SKU at one moment.</summary>
/// <param name="Stock">The counter, units; null when Redis does not know the SKU.</param>
/// <param name="Epoch">Which load of the counter this is; null like <paramref name="Stock"/>.</param>
/// <param name="Held">Units deducted from this counter by reservations that are not settled yet.</param>
/// <param name="Unsettled">Reservations not settled yet.</param>
/// <param name="Unconfirmed">Those of them that the broker has not confirmed yet.</param>
/// <param name="SameServer">Whether the Redis server has been running without a break since the counter was loaded.</param>
/// <param name="Closed">Whether the gate is closed until the counter is loaded again.</param>
/// <param name="UnsettledIds">Their order ids; null when there are more than were asked for.</param>
public sealed record LedgerSnapshot(
    long? Stock, long? Epoch, long Held, long Unsettled, long Unconfirmed, bool SameServer, bool Closed, IReadOnlyList<long>? UnsettledIds)
{
    /// <summary>What the load is known by beside its epoch; null when it has no such token.</summary>
    public long? LoadToken { get; init; }

    /// <summary>Which load of the counter this is; null when Redis does not know the SKU.</summary>
    public LoadId? Load => Epoch is { } epoch ? new LoadId(epoch, LoadToken) : null;
}

/// <summary>Under a SKU's keys stands something that is none of ours.</summary>
public sealed class UnreadableKeysException(long skuId, Exception cause)
    : RedisException($"What Redis holds under the keys of SKU {skuId} cannot be read: {cause.Message}", cause);

/// <summary>An unsettled order and when the broker confirmed it last.</summary>
public readonly record struct ConfirmedOrder(long OrderId, DateTimeOffset ConfirmedAt);

/// <summary>One buyer's holding according to MySQL.</summary>
/// <param name="UserId">The buyer.</param>
/// <param name="Units">Units in live orders.</param>
/// <param name="NewestOrderId">The newest of these orders.</param>
/// <param name="UnitsBefore">Units as restored a moment ago; 0 when the buyer held none then.</param>
/// <param name="NewestBefore">The newest order then.</param>
public readonly record struct BuyerHolding(long UserId, long Units, long NewestOrderId, long UnitsBefore = 0, long NewestBefore = 0);

/// <summary>The calls that recovery and reconciling need, apart from the hot path. Errors as in <see cref="StockLedger"/>.</summary>
public sealed class StockRecovery(IConnectionMultiplexer redis)
{
    /// <summary>Order ids in one snapshot: one script call copies them, and Redis runs nothing else meanwhile.</summary>
    public const int UnsettledIdsMax = 50_000;

    /// <summary>Script calls sent together: between two sends Redis serves the others.</summary>
    private const int SnapshotsTogetherMax = 32;

    /// <summary>Buyers in one call of restore.lua.</summary>
    private const int RestoreBatchSizeMax = 1_000;

    /// <summary>Entries in one answer of a scan.</summary>
    private const int ScanPageSize = 1_000;

    private static readonly string SnapshotScript = LedgerScripts.Text("snapshot.lua");
    private static readonly string CloseScript = LedgerScripts.Text("close.lua");
    private static readonly string RestoreScript = LedgerScripts.WithRecords("restore.lua");

    private readonly IDatabase _database = redis.GetDatabase();

    /// <summary>Reads counter, epoch and unsettled reservations at one moment.</summary>
    /// <exception cref="UnreadableKeysException">What stands there is not what belongs there.</exception>
    public async Task<LedgerSnapshot> SnapshotAsync(SkuKeys sku, int idsMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(idsMax, UnsettledIdsMax);
        var reply = (RedisResult[])(await _database.ScriptEvaluateAsync(SnapshotScript, sku.All, [idsMax, StockLedger.ConfirmedScore])
            .WaitAsync(cancellationToken))!;
        try
        {
            var unsettled = (long)reply[4];
            return new LedgerSnapshot(
                OrNull(reply[0]), OrNull(reply[1]), (long)reply[3], unsettled, (long)reply[5], (long)reply[6] == 1, (long)reply[7] == 1,
                unsettled <= idsMax ? Array.ConvertAll(reply[8..], id => (long)id) : null)
            {
                LoadToken = OrNull(reply[2]),
            };
        }
        catch (Exception exception) when (exception is InvalidCastException or FormatException or OverflowException)
        {
            throw new UnreadableKeysException(sku.SkuId, exception);
        }
    }

    /// <summary>
    /// All unsettled orders, however many: those that are unsettled all the time that it takes, and perhaps some of the others. Redis
    /// serves others in between.
    /// </summary>
    public async Task<IReadOnlyCollection<long>> UnsettledIdsAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        var ids = new HashSet<long>();
        await foreach (var entry in _database.SortedSetScanAsync(sku.Outbox, pageSize: ScanPageSize).WithCancellation(cancellationToken))
        {
            // A foreign entry is no order of ours, and warm.lua leaves it alone.
            if (long.TryParse((string?)entry.Element, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                ids.Add(id);
            }
        }

        return ids;
    }

    /// <summary>
    /// The same of many SKUs, without the ids, each at a moment of its own; null where Redis cannot read what is stored, or does not
    /// answer.
    /// </summary>
    public async Task<LedgerSnapshot?[]> SnapshotAsync(IReadOnlyList<SkuKeys> skus, CancellationToken cancellationToken)
    {
        var snapshots = new List<LedgerSnapshot?>(skus.Count);
        foreach (var together in skus.Chunk(SnapshotsTogetherMax))
        {
            snapshots.AddRange(await Task.WhenAll(together.Select(TrySnapshotAsync)));
        }

        return [.. snapshots];

        async Task<LedgerSnapshot?> TrySnapshotAsync(SkuKeys sku)
        {
            try
            {
                return await SnapshotAsync(sku, 0, cancellationToken);
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                // Who asks for this SKU alone hears why; the others are not to suffer for it.
                return null;
            }
        }
    }

    /// <summary>Closes the gate of a SKU that Redis knows, until <see cref="StockLedger.WarmAsync"/> loads it again.</summary>
    public Task CloseAsync(SkuKeys sku, CancellationToken cancellationToken) =>
        _database.ScriptEvaluateAsync(CloseScript, [sku.Stock, sku.Sale]).WaitAsync(cancellationToken);

    /// <summary>Gives buyers that Redis has forgotten the units back that they hold, so that the purchase limit still holds.</summary>
    public async Task RestoreBuyersAsync(
        SkuKeys sku, IEnumerable<BuyerHolding> buyers, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        foreach (var batch in buyers.Chunk(RestoreBatchSizeMax))
        {
            RedisValue[] arguments =
            [
                expiresAt.ToUnixTimeMilliseconds(),
                .. batch.SelectMany(buyer => new RedisValue[]
                {
                    buyer.UserId, buyer.Units, buyer.NewestOrderId, buyer.UnitsBefore, buyer.NewestBefore,
                }),
            ];
            await _database.ScriptEvaluateAsync(RestoreScript, [sku.Buyers], arguments).WaitAsync(cancellationToken);
        }
    }

    /// <summary>Unsettled orders whose last confirm is that old, the oldest first, at most <see cref="UnsettledIdsMax"/>.</summary>
    public async Task<IReadOnlyList<ConfirmedOrder>> ConfirmedBeforeAsync(
        SkuKeys sku, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var entries = await _database.SortedSetRangeByScoreWithScoresAsync(
                sku.Outbox, StockLedger.ConfirmedScore, StockLedger.ConfirmedScore + before.ToUnixTimeMilliseconds(),
                take: UnsettledIdsMax)
            .WaitAsync(cancellationToken);
        return Array.ConvertAll(
            entries,
            entry => new ConfirmedOrder(
                (long)entry.Element, DateTimeOffset.FromUnixTimeMilliseconds((long)(entry.Score - StockLedger.ConfirmedScore))));
    }

    /// <summary>Lets the sweeper publish orders again that the broker had confirmed but that nobody has heard of since.</summary>
    public Task UnconfirmAsync(SkuKeys sku, IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        _database.SortedSetUpdateAsync(sku.Outbox, [.. orderIds.Select(id => new SortedSetEntry(id, 0))], SortedSetWhen.Exists)
            .WaitAsync(cancellationToken);

    private static long? OrNull(RedisResult result) => (string)result! is { Length: > 0 } ? (long)result : null;
}
