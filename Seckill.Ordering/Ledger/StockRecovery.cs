using System.Globalization;
using System.Runtime.CompilerServices;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>The calls for recovery and reconciling, apart from the hot path. Errors as in <see cref="StockLedger"/>.</summary>
public sealed class StockRecovery
{
    /// <summary>Maximum number of order ids in one snapshot: one script call copies them, and Redis runs nothing else meanwhile.</summary>
    public const int UnsettledIdsMax = 50_000;

    /// <summary>Script calls sent together; Redis serves other clients between two sends.</summary>
    private const int SnapshotsTogetherMax = 32;

    /// <summary>Maximum number of buyers in one call of restore.lua.</summary>
    private const int RestoreBatchSizeMax = 1_000;

    /// <summary>
    /// Set: every SKU whose counter has been loaded, until its keys have expired. Used to find the data in Redis when MySQL no longer lists
    /// the sale.
    /// </summary>
    private const string SkusKey = "seckill:skus";

    /// <summary>Entries in one reply of a scan.</summary>
    private const int ScanPageSize = 1_000;

    /// <summary>Maximum number of orders in one call of recall.lua.</summary>
    private const int RecallBatchSizeMax = 1_000;

    /// <summary>
    /// Maximum unsettled orders whose records a snapshot reads: a few milliseconds, in which Redis runs nothing else. Lua passes no more
    /// than about 8,000 values at once.
    /// </summary>
    private const int SnapshotRecordsMax = 5_000;

    private static readonly string SnapshotScript = LedgerScripts.WithRecords("snapshot.lua");
    private static readonly string ReviewScript = LedgerScripts.WithRecords("review.lua");
    private static readonly string RecallScript = LedgerScripts.WithRecords("recall.lua");
    private static readonly string CloseScript = LedgerScripts.Text("close.lua");

    private static readonly LedgerScripts Embedded = LedgerScripts.Load();

    private readonly IDatabase _database;
    private readonly LedgerScripts _scripts;

    public StockRecovery(IConnectionMultiplexer redis) : this(redis, Embedded)
    {
    }

    /// <summary>As with <see cref="StockLedger"/>, for the tests.</summary>
    internal StockRecovery(IConnectionMultiplexer redis, LedgerScripts scripts)
    {
        _database = redis.GetDatabase();
        _scripts = scripts;
    }

    /// <summary>Reads counter, epoch and unsettled reservations at one moment.</summary>
    /// <exception cref="UnreadableKeysException">The stored data is not in our format.</exception>
    public async Task<LedgerSnapshot> SnapshotAsync(SkuKeys sku, int idsMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(idsMax, UnsettledIdsMax);
        RedisValue[] arguments = [idsMax, StockLedger.ConfirmedScore, SnapshotRecordsMax];
        var reply = await _database.ScriptEvaluateAsync(SnapshotScript, sku.All, arguments).ReplyAsync(cancellationToken);
        return LedgerReplies.SnapshotOf(sku, reply, idsMax);
    }

    /// <summary>
    /// All unsettled orders, however many. Orders that are unsettled during the whole scan are included; others may be. Redis serves other
    /// clients in between.
    /// </summary>
    public async Task<IReadOnlyCollection<long>> UnsettledIdsAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        var ids = new HashSet<long>();
        await using var entries = _database.SortedSetScanAsync(sku.Outbox, pageSize: ScanPageSize).GetAsyncEnumerator(cancellationToken);
        while (await entries.MoveNextAsync().AsTask().ReplyAsync(cancellationToken))
        {
            ids.UnionWith(LedgerReplies.IdsOf(entries.Current.Element));
        }

        return ids;
    }

    /// <summary>
    /// Snapshots of many SKUs, without the ids, each at its own moment; null when Redis cannot read the stored data or does not answer.
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
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                // A call for this SKU alone reports the reason; whatever it is, it must not affect the other SKUs.
                return null;
            }
        }
    }

    /// <summary>
    /// Closes the gate of a SKU that Redis knows, until <see cref="StockLedger.WarmAsync"/> loads it again. With <paramref name="epoch"/>,
    /// only if the counter still belongs to that load.
    /// </summary>
    public Task CloseAsync(SkuKeys sku, CancellationToken cancellationToken, long? epoch = null) =>
        _database.ScriptEvaluateAsync(CloseScript, [sku.Stock, sku.Sale], [epoch?.ToString(CultureInfo.InvariantCulture) ?? ""])
            .ReplyAsync(cancellationToken);

    /// <summary>Records that Redis has data of these SKUs.</summary>
    public Task NoteAsync(IEnumerable<long> skuIds, CancellationToken cancellationToken) =>
        _database.SetAddAsync(SkusKey, [.. skuIds.Select(skuId => (RedisValue)skuId)]).ReplyAsync(cancellationToken);

    /// <summary>All SKUs that Redis may have data of.</summary>
    public async Task<IReadOnlyCollection<long>> NotedSkuIdsAsync(CancellationToken cancellationToken) =>
        LedgerReplies.IdsOf(await _database.SetMembersAsync(SkusKey).ReplyAsync(cancellationToken));

    /// <summary>Removes the record if Redis has no data of the SKU any more; returns whether the data is gone.</summary>
    public async Task<bool> ForgetIfGoneAsync(SkuKeys sku, CancellationToken cancellationToken)
    {
        var held = await _database.KeyExistsAsync([sku.Sale, sku.Outbox]).ReplyAsync(cancellationToken) > 0;
        if (!held)
        {
            await _database.SetRemoveAsync(SkusKey, sku.SkuId).ReplyAsync(cancellationToken);
        }

        return !held;
    }

    /// <summary>
    /// Whether Redis has this order's record. Redis keeps all records of a load, and can only lose the newest: while it has the newest
    /// order that an instance saw accepted, it has all orders that the instance saw accepted.
    /// </summary>
    public Task<bool> KnowsAsync(SkuKeys sku, long orderId, CancellationToken cancellationToken) =>
        _database.HashExistsAsync(sku.Orders, orderId).ReplyAsync(cancellationToken);

    /// <summary>The unsettled orders among these, with their buyers.</summary>
    public async Task<IReadOnlyList<(long UserId, long OrderId)>> PendingAsync(
        SkuKeys sku, IReadOnlyCollection<long> orderIds, CancellationToken cancellationToken)
    {
        var pending = new List<(long UserId, long OrderId)>();
        foreach (var ids in orderIds.Chunk(ScanPageSize))
        {
            var records = await _database.HashGetAsync(sku.Orders, Array.ConvertAll(ids, id => (RedisValue)id))
                .ReplyAsync(cancellationToken);
            for (var i = 0; i < ids.Length; i++)
            {
                if (records[i].HasValue && Reservation.TryParse(ids[i], records[i]!, out var order) && order.State == OrderState.Pending)
                {
                    pending.Add((order.UserId, order.OrderId));
                }
            }
        }

        return pending;
    }

    /// <summary>
    /// Restores buyers' units where Redis has lost some, so that the purchase limit still holds. <paramref name="lockedEpoch"/>: MySQL's
    /// gate epoch if the caller holds the SKU's row lock and each buyer's list of pending orders is complete; the epoch is recorded even
    /// when there are no buyers. Null otherwise: then units are only raised, never lowered.
    /// </summary>
    public async Task RestoreBuyersAsync(
        SkuKeys sku, IEnumerable<BuyerHolding> buyers, long? lockedEpoch, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        foreach (var batch in buyers.Chunk(RestoreBatchSizeMax).DefaultIfEmpty([]))
        {
            RedisValue[] arguments =
            [
                expiresAt.ToUnixTimeMilliseconds(), lockedEpoch?.ToString(CultureInfo.InvariantCulture) ?? "",
                .. batch.SelectMany(buyer => new RedisValue[]
                {
                    buyer.UserId, buyer.Units, buyer.NewestOrderId, buyer.PendingIds.Count,
                }.Concat(buyer.PendingIds.Select(id => (RedisValue)id))),
            ];
            await _scripts.Restore.EvaluateAsync(_database, sku.All, arguments).ReplyAsync(cancellationToken);
        }
    }

    /// <summary>
    /// Records the orders of clicks that Redis has lost, and their quantities, in the format of record.lua; existing entries stay.
    /// </summary>
    public async Task RestoreClicksAsync(SkuKeys sku, IEnumerable<BuyerClick> clicks, CancellationToken cancellationToken)
    {
        foreach (var batch in clicks.Chunk(RestoreBatchSizeMax))
        {
            await Task.WhenAll(batch.SelectMany(click => new[]
                {
                    _database.HashSetAsync(sku.Clicks, $"{click.UserId}:{click.ClientOrderNo}", click.OrderId, When.NotExists),
                    _database.HashSetAsync(sku.Clicks, $"#{click.OrderId}", click.Quantity, When.NotExists),
                }))
                .ReplyAsync(cancellationToken);
        }
    }

    /// <summary>
    /// Unsettled orders whose last confirm is at least that old, the oldest first, at most <see cref="UnsettledIdsMax"/>. With
    /// <paramref name="after"/>, only those that were confirmed then or later.
    /// </summary>
    public async Task<IReadOnlyList<ConfirmedOrder>> ConfirmedBeforeAsync(
        SkuKeys sku, DateTimeOffset before, CancellationToken cancellationToken, DateTimeOffset? after = null)
    {
        var entries = await _database.SortedSetRangeByScoreWithScoresAsync(
                sku.Outbox, StockLedger.ConfirmedScore + (after?.ToUnixTimeMilliseconds() ?? 0),
                StockLedger.ConfirmedScore + before.ToUnixTimeMilliseconds(), take: UnsettledIdsMax)
            .ReplyAsync(cancellationToken);
        return
        [
            .. entries.SelectMany(entry => LedgerReplies.IdsOf(entry.Element).Select(id => new ConfirmedOrder(
                id, DateTimeOffset.FromUnixTimeMilliseconds((long)(entry.Score - StockLedger.ConfirmedScore))))),
        ];
    }

    /// <summary>Lets the sweeper publish orders again that the broker confirmed but that have had no result since.</summary>
    public Task UnconfirmAsync(SkuKeys sku, IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        _database.SortedSetUpdateAsync(sku.Outbox, [.. orderIds.Select(id => new SortedSetEntry(id, 0))], SortedSetWhen.Exists)
            .ReplyAsync(cancellationToken);

    /// <summary>
    /// All orders of a SKU, page by page; Redis serves other clients in between. Orders that exist during the whole scan are returned at
    /// least once. Orders that succeeded longer than <paramref name="lookBack"/> ago, by Redis's clock, are left out, unless they were put
    /// back into the outbox.
    /// </summary>
    public async IAsyncEnumerable<OrdersPage> ReviewAsync(
        SkuKeys sku, TimeSpan lookBack, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var cursor = "0";
        do
        {
            RedisValue[] arguments = [cursor, ScanPageSize, (long)lookBack.TotalMilliseconds];
            var reply = (RedisResult[])(await _database.ScriptEvaluateAsync(ReviewScript, sku.All, arguments)
                .ReplyAsync(cancellationToken))!;
            cursor = (string)reply[0]!;
            var told = ((RedisValue[])reply[1]!).Chunk(2);
            yield return new OrdersPage(
                [.. told.SelectMany(order => LedgerReplies.IdsOf(order[0]).Select(id => new ToldOrder(id, order[1]!)))],
                LedgerReplies.IdsOf((RedisValue[])reply[2]!));
        }
        while (cursor != "0");
    }

    /// <summary>Has orders that are missing from the outbox published again; their buyers' results stay unchanged.</summary>
    public async Task RecallAsync(SkuKeys sku, IEnumerable<long> orderIds, CancellationToken cancellationToken)
    {
        foreach (var ids in orderIds.Chunk(RecallBatchSizeMax))
        {
            await _database.ScriptEvaluateAsync(RecallScript, sku.All, Array.ConvertAll(ids, id => (RedisValue)id))
                .ReplyAsync(cancellationToken);
        }
    }
}
