using System.Globalization;
using Seckill.Ordering.Faults;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Stock and reservations in Redis. Every change is one Lua script on the keys of one SKU, so it is atomic and cluster-safe. All calls
/// throw <see cref="RedisException"/> (connection, time-out, server) and never block.
/// </summary>
public sealed class StockLedger
{
    /// <summary>
    /// Published by settle.lua: a line with the SKU, one with the stock, then one for each settled order, in the format of record.lua.
    /// Also by warm.lua after a load, with the first two lines only. Each instance has one subscription.
    /// </summary>
    public const string OutcomeChannel = "seckill:outcomes";

    /// <summary>
    /// Maximum requests in one call of reserve.lua: keeps one call under about a millisecond, since Redis runs nothing else meanwhile.
    /// </summary>
    public const int ReserveBatchSizeMax = 128;

    /// <summary>Added to an outbox score after the broker's confirm: far above any time in ms, and still exact in a double.</summary>
    public const double ConfirmedScore = 1e13;

    /// <summary>
    /// A <c>notAfterMs</c> without a deadline: a double, Lua's only number type, represents every integer up to this one exactly.
    /// </summary>
    private const long EndOfTimeMs = 1L << 53;

    /// <summary>How long Redis remembers a sale after its end, days; after that MySQL answers.</summary>
    public const int RetentionDays = 7;

    private const int ProbeTimeoutMs = 500;
    private const int ProbeKeyExpiresAfterMs = 60_000;

    /// <summary>Enough keys that each of a few masters has one.</summary>
    private const int ProbeKeyCount = 16;

    private static readonly LedgerScripts Embedded = LedgerScripts.Load();

    private readonly IDatabase _database;
    private readonly LedgerScripts _scripts;

    public StockLedger(IConnectionMultiplexer redis) : this(redis, Embedded)
    {
    }

    /// <summary>Runs scripts other than the embedded ones: tests use broken scripts to prove that they would notice.</summary>
    internal StockLedger(IConnectionMultiplexer redis, LedgerScripts scripts)
    {
        _database = redis.GetDatabase();
        _scripts = scripts;
    }

    /// <summary>Sends up to <see cref="ReserveBatchSizeMax"/> requests to the gate in one call, without a deadline.</summary>
    public Task<ReserveReply> ReserveAsync(SkuKeys sku, IReadOnlyList<ReserveRequest> requests, CancellationToken cancellationToken) =>
        ReserveAsync(sku, requests, EndOfTimeMs, cancellationToken);

    /// <summary>
    /// Sends up to <see cref="ReserveBatchSizeMax"/> requests to the gate in one call. After <paramref name="notAfterMs"/> (ms since 1970
    /// by Redis's own clock) nothing is reserved and each result is <see cref="ReserveCode.TooLate"/>: a call delayed by a frozen server
    /// must not buy for users who have given up.
    /// </summary>
    public async Task<ReserveReply> ReserveAsync(
        SkuKeys sku, IReadOnlyList<ReserveRequest> requests, long notAfterMs, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(requests.Count, ReserveBatchSizeMax);
        var arguments = LedgerArguments.OfReserve(requests, notAfterMs);
        RedisResult reply;
        try
        {
            reply = await _scripts.Reserve.EvaluateAsync(_database, sku.All, arguments).WaitAsync(cancellationToken);
        }
        catch (Exception exception) when (RedisCalls.IsOfLostConnection(exception, cancellationToken))
        {
            // Like ReplyAsync, which would be one more object for each call of the gate.
            throw RedisCalls.LostConnection(exception);
        }

        if (Sabotage.Is(Sabotage.NoOutbox))
        {
            await _database.SortedSetRemoveAsync(sku.Outbox, [.. requests.Select(request => (RedisValue)request.OrderId)]);
        }

        return LedgerReplies.ReserveReplyOf((RedisResult[])reply!, requests.Count);
    }

    /// <summary>Records verdicts and returns the units of failed orders, exactly once for any number of calls.</summary>
    public async Task<SettleCode[]> SettleAsync(SkuKeys sku, IReadOnlyList<Settlement> settlements, CancellationToken cancellationToken) =>
        LedgerReplies.SettleCodesOf(
            await _scripts.Settle.EvaluateAsync(_database, sku.All, LedgerArguments.OfSettle(sku, settlements))
                .ReplyAsync(cancellationToken));

    /// <summary>
    /// The same for many SKUs, with a call for each, sent together. Each call succeeds or fails on its own. This method throws only for
    /// the token, and then any of the calls may have succeeded.
    /// </summary>
    public async Task<SettleReply[]> SettleAsync(
        IReadOnlyList<(SkuKeys Sku, IReadOnlyList<Settlement> Settlements)> calls, CancellationToken cancellationToken)
    {
        var arguments = new (RedisKey[] Keys, RedisValue[] Arguments)[calls.Count];
        for (var i = 0; i < arguments.Length; i++)
        {
            arguments[i] = (calls[i].Sku.All, LedgerArguments.OfSettle(calls[i].Sku, calls[i].Settlements));
        }

        var replies = await _scripts.Settle.EvaluateAllAsync(_database, arguments).WaitAsync(cancellationToken);
        return Array.ConvertAll(replies, LedgerReplies.SettleReplyOf);
    }

    /// <summary>
    /// Loads the counter from MySQL, unless it is running. The caller holds the SKU's row lock in MySQL and stores the returned epoch and
    /// the token before releasing the lock.
    /// </summary>
    /// <param name="sku">The SKU.</param>
    /// <param name="stock">Units left in MySQL.</param>
    /// <param name="stored">The load that MySQL considers valid.</param>
    /// <param name="token">The token of the load, if one is made.</param>
    /// <param name="terms">The sale's terms.</param>
    /// <param name="decided">
    /// Unsettled orders that MySQL has committed or rejected; the others stay deducted from the new counter. Null when that is unknown:
    /// then the counter starts at MySQL's number.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="seen">
    /// The snapshot that the call is based on, with <see cref="LedgerSnapshot.Counted"/> as restoring buyers has left it since. If Redis
    /// has another load or newer terms by now, or is another server, nothing is changed. Null to load unconditionally.
    /// </param>
    /// <param name="again">Also reloads a running counter, without closing its gate.</param>
    /// <param name="termsOnly">
    /// Refuses instead of loading, with <paramref name="seen"/>: a counter that has been closed since must not be loaded by a call that
    /// does not know the decided orders.
    /// </param>
    public async Task<WarmResult> WarmAsync(
        SkuKeys sku, long stock, LoadId stored, long token, SaleTerms terms, IReadOnlyCollection<long>? decided,
        CancellationToken cancellationToken, LedgerSnapshot? seen = null, bool again = false, bool termsOnly = false)
    {
        RedisValue[] arguments =
        [
            stock, stored.Epoch, stored.Token?.ToString(CultureInfo.InvariantCulture) ?? "", token,
            .. terms.Fields, decided is null ? 0 : 1, seen is null ? "*" : seen.Load?.Text ?? ":", termsOnly ? -1 : again ? 1 : 0,
            seen?.RunId ?? "", seen?.Counted?.ToString(CultureInfo.InvariantCulture) ?? "",
            seen?.Warmed?.ToString(CultureInfo.InvariantCulture) ?? "", OutcomeChannel, sku.SkuId,
            .. (decided ?? []).Select(id => (RedisValue)id),
        ];
        var reply = (RedisResult[])(await _scripts.Warm.EvaluateAsync(_database, sku.All, arguments).ReplyAsync(cancellationToken))!;
        return new WarmResult((long)reply[0] == 1, (long)reply[1], (long)reply[2], Refused: (long)reply[0] < 0);
    }

    /// <summary>
    /// Has Redis refuse every load and change of terms that was decided before this call, also for a SKU that it has lost. See
    /// <c>warmed</c> in warm.lua.
    /// </summary>
    public Task OutdateAsync(SkuKeys sku, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        // A time that is over would delete the mark at once.
        var earliest = DateTimeOffset.UtcNow.AddDays(1);
        var expiry = expiresAt > earliest ? expiresAt : earliest;
        return Task.WhenAll(_database.HashIncrementAsync(sku.Sale, "warmed"), _database.KeyExpireAsync(sku.Sale, expiry.UtcDateTime))
            .ReplyAsync(cancellationToken);
    }

    /// <summary>
    /// Whether Redis accepts any writes within <see cref="ProbeTimeoutMs"/>: tries several keys, which a cluster spreads over its masters.
    /// </summary>
    public async Task<bool> TakesWritesAsync(CancellationToken cancellationToken)
    {
        var writes = Enumerable.Range(0, ProbeKeyCount).Select(async i =>
        {
            try
            {
                return await _database.StringSetAsync($"seckill:probe:{i}", 1, TimeSpan.FromMilliseconds(ProbeKeyExpiresAfterMs))
                    .ReplyAsync(TimeSpan.FromMilliseconds(ProbeTimeoutMs), cancellationToken);
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                return false;
            }
        });
        return (await Task.WhenAll(writes)).Contains(true);
    }

    /// <summary>When a sale's keys expire in Redis.</summary>
    public static DateTimeOffset ExpiryOf(SaleTerms terms) =>
        terms.EndsAt <= DateTimeOffset.MaxValue.AddDays(-RetentionDays) ? terms.EndsAt.AddDays(RetentionDays) : DateTimeOffset.MaxValue;

    /// <summary>
    /// Marks orders as confirmed by the broker at <paramref name="atMs"/> (ms since 1970 UTC). Orders settled meanwhile are no longer in
    /// the outbox and are not added again.
    /// </summary>
    public Task ConfirmAsync(SkuKeys sku, IReadOnlyList<long> orderIds, long atMs, CancellationToken cancellationToken) =>
        _database.SortedSetUpdateAsync(
            sku.Outbox, [.. orderIds.Select(id => new SortedSetEntry(id, ConfirmedScore + atMs))], SortedSetWhen.Exists)
            .ReplyAsync(cancellationToken);

    /// <summary>
    /// Takes the unconfirmed reservations that are due: the last attempt is at least <paramref name="graceMs"/> old by Redis time, or
    /// further than that in the future. Returns the oldest <paramref name="countMax"/> of each SKU and marks them as attempted now, for
    /// many SKUs at once.
    /// </summary>
    public async Task<DueReply[]> TakeUnconfirmedAsync(
        IReadOnlyList<SkuKeys> skus, int graceMs, int countMax, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [graceMs, countMax, ConfirmedScore];
        var replies = await _scripts.Due.EvaluateAllAsync(_database, [.. skus.Select(sku => (sku.All, arguments))])
            .WaitAsync(cancellationToken);
        return [.. skus.Zip(replies, LedgerReplies.DueReplyOf)];
    }

    /// <summary>
    /// The buyer's newest reservation for the SKU, or the reservation of one click. Null when Redis has none, or when the stored value is
    /// not in our format: then MySQL answers.
    /// </summary>
    public async Task<Reservation?> FindAsync(SkuKeys sku, long userId, string? clientOrderNo, CancellationToken cancellationToken)
    {
        string? id;
        if (clientOrderNo is not null)
        {
            id = await _database.HashGetAsync(sku.Clicks, $"{userId}:{clientOrderNo}").ReplyAsync(cancellationToken);
        }
        else
        {
            var buyer = (string?)await _database.HashGetAsync(sku.Buyers, userId).ReplyAsync(cancellationToken);
            id = buyer is null ? null : Reservation.NewestOrderIdOf(buyer);
        }

        return long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var orderId)
            ? await FindAsync(sku, orderId, cancellationToken)
            : null;
    }

    /// <summary>One reservation by its order id; null when Redis has none, or when the stored value is not in our format.</summary>
    public async Task<Reservation?> FindAsync(SkuKeys sku, long orderId, CancellationToken cancellationToken)
    {
        var record = await _database.HashGetAsync(sku.Orders, orderId).ReplyAsync(cancellationToken);
        return record.HasValue && Reservation.TryParse(orderId, record!, out var reservation) ? reservation : null;
    }

    /// <summary>Several reservations by their order ids, likewise.</summary>
    public async Task<Reservation?[]> FindAsync(SkuKeys sku, IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        var records = await _database.HashGetAsync(sku.Orders, [.. orderIds.Select(id => (RedisValue)id)]).ReplyAsync(cancellationToken);
        return [.. records.Zip(orderIds, (record, id) =>
            record.HasValue && Reservation.TryParse(id, record!, out var reservation) ? reservation : null)];
    }

    /// <summary>When the broker confirmed an unsettled order, ms since 1970 UTC; null when it has not, or the order is settled.</summary>
    public async Task<long?> ConfirmedAtMsAsync(SkuKeys sku, long orderId, CancellationToken cancellationToken) =>
        await _database.SortedSetScoreAsync(sku.Outbox, orderId).ReplyAsync(cancellationToken) is { } score && score >= ConfirmedScore
            ? (long)(score - ConfirmedScore)
            : null;

    /// <summary>
    /// Ids of all users who hold or have bought the SKU; null when there are more than <paramref name="countMax"/> (too many to hold in
    /// memory).
    /// </summary>
    public async Task<IReadOnlySet<long>?> BuyersAsync(SkuKeys sku, int countMax, CancellationToken cancellationToken)
    {
        if (await _database.HashLengthAsync(sku.Buyers).ReplyAsync(cancellationToken) > countMax)
        {
            return null;
        }

        var users = await _database.HashKeysAsync(sku.Buyers).ReplyAsync(cancellationToken);
        // A foreign field is no buyer, and must not hide the others.
        return users.Select(user => user.TryParse(out long userId) ? userId : 0).Where(userId => userId > 0).ToHashSet();
    }

    /// <summary>
    /// The current counter, units; null when Redis does not know the SKU, the stored value is not a number, or Redis does not answer. For
    /// display only.
    /// </summary>
    public async Task<IReadOnlyDictionary<long, long?>> StockAsync(IReadOnlyCollection<SkuKeys> skus, CancellationToken cancellationToken)
    {
        // One GET each, pipelined: an MGET over SKUs would cross cluster slots.
        var reads = skus.Select(async sku => (sku.SkuId, Stock: await TryGetAsync(sku.Stock))).ToArray();
        return (await Task.WhenAll(reads).ReplyAsync(cancellationToken)).ToDictionary(read => read.SkuId, read => read.Stock);

        async Task<long?> TryGetAsync(RedisKey key)
        {
            try
            {
                var stock = await _database.StringGetAsync(key).ReplyAsync(cancellationToken);
                return stock.HasValue && stock.TryParse(out long units) ? units : null;
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                return null;
            }
        }
    }
}
