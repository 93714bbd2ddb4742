using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Seckill.Bench.Load;

namespace Seckill.Bench.Chaos;

/// <summary>
/// Buyers at full speed, as real pages behave: a click with a client_order_no is repeated with the same number until there is an answer,
/// one without is never repeated; some click twice.
/// </summary>
public sealed class Crowd(
    IReadOnlyList<ChaosSale> sales, IReadOnlyList<GateClient> gates, TokenIssuer issuer, Pollers pollers, ChaosOptions options)
{
    /// <summary>Percentage of clicks from pages that send no client_order_no.</summary>
    private const int NamelessPercent = 10;

    /// <summary>Percentage of queued clicks that are repeated anyway.</summary>
    private const int DoubleClickPercent = 8;

    private const int RetryDelayMs = 200;
    private const int RetryDelayMsMax = 2_000;

    private readonly ConcurrentBag<ClickHistory> _clicks = [];
    private long _userId = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
    private long _clickCount;
    private long _startedAt;

    public IReadOnlyCollection<ClickHistory> Clicks => _clicks;

    public long ClickCount => Volatile.Read(ref _clickCount);

    /// <summary>
    /// Clicks until <paramref name="closing"/>, then finishes the clicks that have no answer yet, until
    /// <paramref name="cancellationToken"/>.
    /// </summary>
    public Task RunAsync(CancellationToken closing, CancellationToken cancellationToken)
    {
        _startedAt = Stopwatch.GetTimestamp();
        return Task.WhenAll(Enumerable.Range(0, options.Concurrency).Select(n => Task.Run(
            () => BuyAsync(n, closing, cancellationToken), CancellationToken.None)));
    }

    private async Task BuyAsync(int number, CancellationToken closing, CancellationToken cancellationToken)
    {
        var random = new Random(HashCode.Combine(options.Seed, number));
        while (!closing.IsCancellationRequested)
        {
            if (!await WaitForTurnAsync(closing))
            {
                return;
            }

            var sale = Choose(random);
            var userId = Interlocked.Increment(ref _userId);
            var clickNo = random.Next(100) < NamelessPercent ? null : userId.ToString("x", CultureInfo.InvariantCulture);
            var click = new ClickHistory(
                new Buyer(userId, issuer.ForBuyer(userId), clickNo), sale, random.Next(1, sale.LimitPerUser + 1));
            _clicks.Add(click);
            await AskAsync(click, random, cancellationToken);
            if (click.Queued && clickNo is not null && random.Next(100) < DoubleClickPercent)
            {
                await AskOnceAsync(click, random, cancellationToken);
            }

            if (click.Queued)
            {
                pollers.Add(click);
            }
        }
    }

    private async Task AskAsync(ClickHistory click, Random random, CancellationToken cancellationToken)
    {
        var delayMs = RetryDelayMs;
        while (!cancellationToken.IsCancellationRequested)
        {
            if (await AskOnceAsync(click, random, cancellationToken) || click.Buyer.ClientOrderNo is null)
            {
                return;
            }

            await Task.Delay(delayMs, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delayMs = Math.Min(delayMs * 2, RetryDelayMsMax);
        }
    }

    /// <summary>True if a page would treat the answer as final.</summary>
    private async Task<bool> AskOnceAsync(ClickHistory click, Random random, CancellationToken cancellationToken)
    {
        try
        {
            return click.Note(
                await gates[random.Next(gates.Count)].OrderAsync(click.Buyer, click.Sale.SkuId, click.Quantity, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return click.Note(new Answer(click.Buyer, AskOutcome.NoAnswer, 0, "the run is over"));
        }
    }

    /// <summary>A ticket for each click, handed out at the given rate.</summary>
    private async Task<bool> WaitForTurnAsync(CancellationToken closing)
    {
        var ticket = Interlocked.Increment(ref _clickCount);
        if (options.BuyersPerSecond > 0)
        {
            var wait = TimeSpan.FromSeconds((double)ticket / options.BuyersPerSecond) - Stopwatch.GetElapsedTime(_startedAt);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return !closing.IsCancellationRequested;
    }

    private ChaosSale Choose(Random random)
    {
        var at = random.Next(100);
        foreach (var sale in sales)
        {
            if ((at -= sale.SharePercent) < 0)
            {
                return sale;
            }
        }

        return sales[^1];
    }
}
