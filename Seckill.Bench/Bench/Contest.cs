using System.Diagnostics;
using System.Globalization;
using Seckill.Bench.Load;
using Seckill.Bench.Textbook;
using Seckill.Ordering.Ledger;

namespace Seckill.Bench.Bench;

/// <summary>Shared by the stages: buyers, loads, and the wait until a backlog is in MySQL.</summary>
/// <param name="System">The running system.</param>
/// <param name="Sales">Makes SKUs.</param>
/// <param name="Options">Sizes.</param>
/// <param name="Recorder">Takes the results.</param>
/// <param name="Counts">Whether the results are recorded.</param>
internal sealed record Contest(BenchSystem System, BenchSales Sales, BenchOptions Options, Recorder Recorder, bool Counts = true)
{
    public const string Ours = "Seckill";
    public const string Textbook = "textbook";

    /// <summary>More stock than any round can use up.</summary>
    public const int Plenty = 10_000_000;

    /// <summary>Polling more often takes processor time away from the measurement.</summary>
    private const int PollDelayMs = 20;

    /// <summary>For many SKUs: each poll reads that many rows, which would compete with the worker.</summary>
    private const int PollDelayMsManySkus = 50;

    private const int DrainDeadlineMs = 300_000;

    /// <summary>
    /// Length of a measurement that does not count: long enough for the code to be compiled, however short the rounds are, s.
    /// </summary>
    private const int WarmUpSeconds = 5;

    private readonly string[] _tokens = TokensOf(Options.BuyerCount);

    /// <summary>The same contest without recorded results.</summary>
    public Contest WarmUp => this with
    {
        Recorder = new Recorder(),
        Counts = false,
        Options = Options with { Round = TimeSpan.FromSeconds(Math.Max(WarmUpSeconds, Options.Round.TotalSeconds)) },
    };

    public Task<LocalService> TextbookApiAsync(CancellationToken cancellationToken) =>
        System.OwnAsync("textbook-api", cancellationToken, "textbook-api", "--design", TextbookApi.RedisDesign);

    public Task<LocalService> TextbookWorkerAsync(CancellationToken cancellationToken) =>
        System.OwnAsync("textbook-worker", cancellationToken, "textbook-worker");

    public Task<LocalService> EmptyApiAsync(CancellationToken cancellationToken) =>
        System.OwnAsync("empty-api", cancellationToken, "empty-api");

    /// <summary>One of the three designs that work inside the database.</summary>
    public Task<LocalService> DesignAsync(string design, CancellationToken cancellationToken) =>
        System.OwnAsync(design, cancellationToken, "textbook-api", "--design", design);

    /// <summary>Clicks of distinct buyers, in turn, on these SKUs.</summary>
    public IEnumerable<byte[]> Requests(LocalService service, string path, params long[] skuIds)
    {
        var shop = new HttpShop(new Uri(service.Url));
        return _tokens.Select((token, i) => shop.Request(path, token, skuIds[i % skuIds.Length]));
    }

    /// <summary>A load of these clicks.</summary>
    public HttpLoad Load(LocalService service, string path, params long[] skuIds) =>
        new(new HttpShop(new Uri(service.Url)), [.. Requests(service, path, skuIds)], Options.Connections);

    /// <summary>A closed loop for one round, in which only the expected answers may come.</summary>
    public async Task<LoadResult> RunAsync(HttpLoad load, CancellationToken cancellationToken)
    {
        var result = await load.ClosedAsync(Options.Round, cancellationToken);
        return result.Other.Count == 0
            ? result
            : throw new BenchException(
                $"Unexpected answers: {string.Join(", ", result.Other.Select(other => $"{other.Value} with status {other.Key}"))}.");
    }

    /// <summary>Runs before each measurement that counts, see <see cref="Quiet"/>.</summary>
    public Task UntilQuietAsync(CancellationToken cancellationToken) => Counts ? Quiet.UntilAsync(cancellationToken) : Task.CompletedTask;

    /// <summary>Time from now until this many units are sold in MySQL, s.</summary>
    public async Task<double> UntilSoldAsync(long[] skuIds, int unitsEach, long sold, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        for (var last = 0L; ;)
        {
            var now = await Sales.SoldAsync(skuIds, unitsEach, cancellationToken);
            var elapsed = Stopwatch.GetElapsedTime(started);
            if (now >= sold)
            {
                return now == sold
                    ? elapsed.TotalSeconds
                    : throw new BenchException($"{now} units sold in MySQL, but {sold} clicks were accepted.");
            }

            if (elapsed.TotalMilliseconds > DrainDeadlineMs)
            {
                throw new BenchException(
                    $"Only {now} of {sold} accepted orders were in MySQL after {DrainDeadlineMs / 1_000} s (before: {last}).");
            }

            last = now;
            await Task.Delay(skuIds.Length == 1 ? PollDelayMs : PollDelayMsManySkus, cancellationToken);
        }
    }

    /// <summary>Waits until these SKUs have no unsettled reservation, so that the next round starts on a quiet system.</summary>
    public async Task UntilSettledAsync(long[] skuIds, CancellationToken cancellationToken)
    {
        var database = System.RedisConnection.GetDatabase();
        foreach (var skuId in skuIds)
        {
            while (await database.SortedSetLengthAsync(new SkuKeys(skuId).Outbox) > 0)
            {
                await Task.Delay(PollDelayMs, cancellationToken);
            }
        }
    }

    public async Task PurgeTextbookAsync(CancellationToken cancellationToken)
    {
        await using var connection = await System.ConnectAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.QueuePurgeAsync(TutorialShop.Queue, cancellationToken);
    }

    private static string[] TokensOf(int count)
    {
        var tokens = new string[count];
        Parallel.For(0, count, () => new TokenIssuer(CheckoutKeys.SigningKey), (i, _, issuer) =>
        {
            tokens[i] = issuer.ForBuyer(1_000_000 + i);
            return issuer;
        }, _ => { });
        return tokens;
    }
}

/// <summary>The benchmark's figures would be meaningless; the message says why.</summary>
internal sealed class BenchException(string message) : Exception(message);

/// <summary>Sizes of a benchmark.</summary>
/// <param name="Rounds">How often each stage is repeated, in alternation.</param>
/// <param name="Round">Length of one measurement.</param>
/// <param name="Connections">Keep-alive connections of the load.</param>
/// <param name="BuyerCount">Distinct buyers.</param>
/// <param name="Units">Units of the headline sale.</param>
/// <param name="Stages">Names of the stages to run.</param>
/// <param name="SoakMinutes">Length of the soak, minutes.</param>
/// <param name="Backlog">Messages in the queue of the stage 'depth'.</param>
/// <param name="Folder">Where the files go.</param>
internal sealed record BenchOptions(
    int Rounds, TimeSpan Round, int Connections, int BuyerCount, int Units, IReadOnlyList<string> Stages, int SoakMinutes, int Backlog,
    string Folder)
{
    public static string Time(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.00} s");
}
