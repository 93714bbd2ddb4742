using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Tests.EndToEnd;
using ShopClient = Seckill.Tests.EndToEnd.ShopClient;

namespace Seckill.Tests.Faults;

/// <summary>
/// A sale of several SKUs with buyers who remember their answers, and the audit at the end: every buyer who was answered "queued" has a
/// result, each click is one order at most, and all stores agree.
/// </summary>
internal sealed class SaleOnTrial
{
    public const int LimitPerUser = 3;
    public const int UnitsEach = 20_000;

    private const int SkuCount = 3;
    private const int ParallelClicksMax = 16;
    private const int RepeatPauseMs = 200;
    private const int TimeoutMs = 120_000;

    private static readonly TokenIssuer Tokens = new(CheckoutKeys.SigningKey);
    private static long _lastSkuId = 40_000;
    private static long _lastUserId = 400_000;

    private readonly FaultSystem _faults;
    private readonly LocalSystem _system;
    private readonly Dictionary<SkuKeys, int> _units;
    private readonly CancellationToken _cancellation;

    private SaleOnTrial(FaultSystem faults, int unitsEach, CancellationToken cancellation)
    {
        (_faults, _system, _cancellation) = (faults, faults.System, cancellation);
        Skus = [.. Enumerable.Range(0, SkuCount).Select(_ => new SkuKeys(Interlocked.Increment(ref _lastSkuId)))];
        _units = Skus.ToDictionary(sku => sku, _ => unitsEach);
    }

    public IReadOnlyList<SkuKeys> Skus { get; }

    /// <summary>Every click sent.</summary>
    public ConcurrentBag<Click> Clicks { get; } = [];

    /// <summary>Clicks answered "queued", with the order's id.</summary>
    public ConcurrentDictionary<Click, string> Queued { get; } = new();

    /// <summary>Clicks answered "sold out" or another refusal: they must have no order.</summary>
    public ConcurrentDictionary<Click, string> Refused { get; } = new();

    /// <summary>Answers with status 500 or above.</summary>
    public ConcurrentBag<ApiAnswer> ServerErrors { get; } = [];

    /// <summary>The slowest answer "queued", ms.</summary>
    public double SlowestMs { get; private set; }

    /// <summary>The slowest answer of any kind, ms.</summary>
    public double SlowestAnswerMs { get; private set; }

    public static string Operator { get; } = Tokens.ForOperator();

    /// <summary>Puts the SKUs on sale and waits until the first Api sells them.</summary>
    public static async Task<SaleOnTrial> OpenAsync(FaultSystem faults, CancellationToken cancellation, int unitsEach = UnitsEach)
    {
        var sale = new SaleOnTrial(faults, unitsEach, cancellation);
        foreach (var sku in sale.Skus)
        {
            await faults.System.AddSaleAsync(sku.SkuId, unitsEach, LimitPerUser, cancellation);
        }

        using var client = faults.System.Client();
        foreach (var sku in sale.Skus)
        {
            await client.WaitUntilOnSaleAsync(sku.SkuId, cancellation);
        }

        return sale;
    }

    /// <summary>Units put on sale so far.</summary>
    public int Units(SkuKeys sku) => _units[sku];

    /// <summary>Counts units that were added to the sale.</summary>
    public void CountUnits(SkuKeys sku, int more) => _units[sku] += more;

    public static string TokenOf(long userId) => Tokens.ForBuyer(userId);

    /// <summary>Clicks of new buyers: two for each buyer, on different SKUs, one or two units.</summary>
    public IReadOnlyList<Click> NewClicks(int count, int? quantity = null)
    {
        var first = Interlocked.Add(ref _lastUserId, count) - count;
        return
        [
            .. Enumerable.Range(0, count).Select(i =>
            {
                var user = first + (i / 2);
                return new Click(user, TokenOf(user), Skus[i % SkuCount].SkuId, quantity ?? (1 + (i % 2)), Guid.NewGuid().ToString());
            }),
        ];
    }

    /// <summary>New buyers, all at once.</summary>
    public Task RushAsync(int count, int? quantity = null, LocalService? api = null) => SendAsync(NewClicks(count, quantity), api);

    /// <summary>The same, and a click that was told "busy", as any may be while Redis pauses, is repeated.</summary>
    public async Task RushAllAsync(int count, int? quantity = null)
    {
        await RushAsync(count, quantity);
        await RepeatUnansweredAsync();
    }

    /// <summary>Waits until an order for each SKU, clicked from now on, is written; a click without an answer is repeated.</summary>
    public async Task WriteOneEachAsync(int withinMs)
    {
        using var client = _system.Client();
        var started = Stopwatch.GetTimestamp();
        var clicks = NewClicks(SkuCount, quantity: 1);
        while (clicks.Where(click => !Queued.ContainsKey(click)).ToList() is { Count: > 0 } unanswered)
        {
            Assert.True(LeftMs() > 0, $"{unanswered.Count} of {SkuCount} clicks were not queued within {withinMs} ms.\n{_system.Log}");
            await SendAsync(unanswered);
            await Task.Delay(RepeatPauseMs, _cancellation);
        }

        foreach (var click in clicks)
        {
            var answer = await client.StatusAsync(click.Token, click.SkuId, _cancellation, click.Number);
            while (answer.Text("status") != "SUCCESS")
            {
                Assert.True(LeftMs() > 0, $"After {withinMs} ms: {answer.Body}.\n{_system.Log}");
                await Task.Delay(RepeatPauseMs, _cancellation);
                answer = await client.StatusAsync(click.Token, click.SkuId, _cancellation, click.Number);
            }
        }

        int LeftMs() => withinMs - (int)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    /// <summary>Sends clicks, a few at a time; a click without an answer is left unanswered.</summary>
    public async Task SendAsync(IReadOnlyCollection<Click> clicks, LocalService? api = null)
    {
        using var client = _system.Client(api);
        await Parallel.ForEachAsync(
            clicks,
            new ParallelOptions { MaxDegreeOfParallelism = ParallelClicksMax, CancellationToken = _cancellation },
            async (click, _) => await SendAsync(client, click));
    }

    /// <summary>Sends clicks of new buyers until the process is dead.</summary>
    public async Task RushUntilDeadAsync(LocalService service)
    {
        var started = Stopwatch.GetTimestamp();
        while (!service.Exited.IsCompleted && Stopwatch.GetElapsedTime(started).TotalMilliseconds < TimeoutMs)
        {
            await RushAsync(ParallelClicksMax);
        }
    }

    /// <summary>Repeats every unanswered click, as pages do, until each has an answer.</summary>
    public async Task RepeatUnansweredAsync()
    {
        var started = Stopwatch.GetTimestamp();
        while (Clicks.Where(click => !Queued.ContainsKey(click) && !Refused.ContainsKey(click)).ToList() is { Count: > 0 } unanswered)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(started).TotalMilliseconds < TimeoutMs,
                $"{unanswered.Count} clicks have no answer.\n{_system.Log}");
            await SendAsync(unanswered);
            await Task.Delay(RepeatPauseMs, _cancellation);
        }
    }

    /// <summary>Asks for every outcome over HTTP until all are known; returns the counts of "SUCCESS" and "FAILED".</summary>
    public async Task<IReadOnlyDictionary<string, int>> OutcomesAsync()
    {
        var outcomes = new ConcurrentDictionary<string, int>();
        using var client = _system.Client();
        await Parallel.ForEachAsync(
            Queued,
            new ParallelOptions { MaxDegreeOfParallelism = ParallelClicksMax, CancellationToken = _cancellation },
            async (queued, _) =>
            {
                var (click, orderId) = queued;
                try
                {
                    var outcome = await client.OutcomeAsync(click.Token, click.SkuId, _cancellation, click.Number, TimeoutMs);
                    Assert.Equal(orderId, outcome.Text("order_id"));
                    outcomes.AddOrUpdate(outcome.Text("status")!, 1, (_, count) => count + 1);
                }
                catch (TimeoutException exception)
                {
                    Assert.Fail($"Order {orderId} has no outcome: {exception.Message}\n{_system.Log}");
                }
            });
        return outcomes;
    }

    /// <summary>Audits all stores once everything is settled.</summary>
    public async Task AssertConservedAsync(IReadOnlyDictionary<string, int> outcomes, int deadLetters = 0)
    {
        foreach (var sku in Skus)
        {
            await SettledAsync(sku);
            var live = await _system.CountAsync(
                $"""
                SELECT COALESCE(SUM(i.quantity), 0) FROM order_items i JOIN orders o ON o.id = i.order_id
                WHERE i.sku_id = {sku.SkuId} AND o.status <> 2
                """,
                _cancellation);
            var stock = await StoreStockAsync(sku);
            Assert.Equal(_units[sku], stock + live);
            Assert.Equal(stock, await GateStockAsync(sku));
        }

        var ids = string.Join(',', Skus.Select(sku => sku.SkuId));
        var orders = await _system.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id IN ({ids})", _cancellation);
        var clicks = await _system.CountAsync(
            $"""
            SELECT COUNT(DISTINCT o.user_id, o.client_order_no) FROM orders o JOIN order_items i ON i.order_id = o.id
            WHERE i.sku_id IN ({ids})
            """,
            _cancellation);
        Assert.Equal(orders, clicks);
        Assert.Equal(outcomes.GetValueOrDefault("SUCCESS"), orders);
        await UntilDeadLettersAsync((uint)deadLetters);
    }

    public Task<long> StoreStockAsync(SkuKeys sku) =>
        _system.CountAsync($"SELECT stock FROM product_skus WHERE id = {sku.SkuId}", _cancellation);

    public Task<long> StoreEpochAsync(SkuKeys sku) =>
        _system.CountAsync($"SELECT gate_epoch FROM product_skus WHERE id = {sku.SkuId}", _cancellation);

    public async Task<long> GateStockAsync(SkuKeys sku) => (long)await _system.RedisConnection.GetDatabase().StringGetAsync(sku.Stock);

    /// <summary>Reservations without a verdict, all SKUs together.</summary>
    public async Task<long> UnsettledAsync()
    {
        var database = _system.RedisConnection.GetDatabase();
        var counts = await Task.WhenAll(Skus.Select(sku => database.SortedSetLengthAsync(sku.Outbox)));
        return counts.Sum();
    }

    /// <summary>
    /// Waits for the count: the broker does not count letters that another call has taken to inspect them, such as the reconciler's.
    /// </summary>
    public Task UntilDeadLettersAsync(uint count) =>
        Deadline.UntilAsync(DeadLettersAsync, counted => counted == count, _cancellation, TimeoutMs);

    private async Task<uint> DeadLettersAsync()
    {
        await using var connection = await _faults.ConnectAsync(_cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation);
        return (await channel.QueueDeclarePassiveAsync(OrderTopology.DeadLetterQueue, _cancellation)).MessageCount;
    }

    private async Task SettledAsync(SkuKeys sku)
    {
        var database = _system.RedisConnection.GetDatabase();
        await Deadline.UntilAsync(
            async () => (await database.SortedSetLengthAsync(sku.Outbox), (long)await database.HashGetAsync(sku.Sale, "held")),
            left => left is (0, 0), _cancellation, TimeoutMs);
    }

    private async Task SendAsync(ShopClient client, Click click)
    {
        Clicks.Add(click);
        ApiAnswer answer;
        var sent = Stopwatch.GetTimestamp();
        try
        {
            answer = await client.BuyAsync(click.Token, click.SkuId, _cancellation, click.Quantity, click.Number);
        }
        catch (HttpRequestException)
        {
            // No answer: the process died or is not running.
            return;
        }

        var tookMs = Stopwatch.GetElapsedTime(sent).TotalMilliseconds;
        SlowestAnswerMs = Math.Max(SlowestAnswerMs, tookMs);
        if (answer.Status == HttpStatusCode.OK)
        {
            SlowestMs = Math.Max(SlowestMs, tookMs);
            Assert.Equal("queued", answer.Text("message"));
            var orderId = answer.Text("order_id")!;
            Assert.Equal(orderId, Queued.GetOrAdd(click, orderId));
        }
        else if ((int)answer.Status >= 500)
        {
            ServerErrors.Add(answer);
        }
        else
        {
            Refused[click] = answer.Error ?? answer.Status.ToString();
        }
    }
}
