using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

/// <summary>A SKU of one test, with the calls that tests repeat.</summary>
internal sealed class SkuOnTrial(RedisFixture redis)
{
    private static long _nextSku = 500_000;
    private static long _nextOrder = 7_000_000_000_000_000_000;

    public SkuKeys Keys { get; } = new(Interlocked.Increment(ref _nextSku));

    public StockLedger Ledger { get; } = new(redis.Connection);

    public StockRecovery Recovery { get; } = new(redis.Connection);

    /// <summary>The token of the last load made here.</summary>
    public long? LastToken { get; private set; }

    public IDatabase Database { get; } = redis.Connection.GetDatabase();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static long NextOrder() => Interlocked.Increment(ref _nextOrder);

    public static SaleTerms Terms(int limit = 10, int startsInS = -60, int endsInS = 3600, bool paused = false)
    {
        var now = DateTimeOffset.UtcNow;
        return new SaleTerms(now.AddSeconds(startsInS), now.AddSeconds(endsInS), limit, paused);
    }

    /// <summary>A load, or new terms. MySQL's load is <paramref name="epoch"/>, with the token of the last load made here.</summary>
    public async Task<WarmResult> WarmAsync(long stock, long epoch = 0, SaleTerms? terms = null, long[]? decided = null)
    {
        var token = LoadId.NewToken();
        var result = await Ledger.WarmAsync(Keys, stock, new LoadId(epoch, LastToken), token, terms ?? Terms(), decided, Cancelled);
        LastToken = result.Loaded ? token : LastToken;
        return result;
    }

    public async Task<ReserveResult> ReserveAsync(long user, int quantity = 1, string? click = null, string? traceParent = null)
    {
        var reply = await Ledger.ReserveAsync(Keys, [new ReserveRequest(NextOrder(), user, quantity, click, traceParent)], Cancelled);
        return Assert.Single(reply.Results);
    }

    public Task<ReserveReply> ReserveAsync(params ReserveRequest[] requests) => Ledger.ReserveAsync(Keys, requests, Cancelled);

    public async Task<SettleCode> SettleAsync(Settlement settlement) =>
        Assert.Single(await Ledger.SettleAsync(Keys, [settlement], Cancelled));

    /// <summary>The verdict on an order of epoch 1, committed under epoch 1.</summary>
    public static Settlement Verdict(long orderId, bool success, string detail, long user = 1, int quantity = 1) =>
        new(orderId, success, detail, StockDeducted: success, CommittedEpoch: 1, quantity, user, ClientOrderNo: null, MessageEpoch: 1);

    public async Task<long> StockAsync() => (long)await Database.StringGetAsync(Keys.Stock);

    public async Task<long> HeldAsync() => (long)await Database.HashGetAsync(Keys.Sale, "held");

    public Task<Reservation?> FindAsync(long user, string? click = null) => Ledger.FindAsync(Keys, user, click, Cancelled);
}
