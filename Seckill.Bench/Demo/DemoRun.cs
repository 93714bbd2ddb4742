using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Seckill.Bench.Audit;
using Seckill.Bench.Load;
using Seckill.Bench.Target;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;
using Spectre.Console;
using StackExchange.Redis;

namespace Seckill.Bench.Demo;

/// <summary>
/// Creates a sale, lets the crowd in, waits for every answer, checks the answers against the stores, and removes the sale from the page.
/// </summary>
public sealed class DemoRun
{
    private const int RequestTimeoutMs = 30_000;
    private const int OutcomeDeadlineMs = 60_000;
    private const int QuietDeadlineMs = 30_000;
    private const int RemoveQuietMsMax = 2_000;
    private const int RemoveTimeoutMs = 10_000;

    /// <summary>Enough clicks for one-time work to be done and for hot methods to be optimised.</summary>
    private const int RehearsalBuyersMax = 1_000;
    private const int RehearsalUnits = 100;

    private readonly SystemAddresses _addresses;
    private readonly DemoOptions _options;
    private readonly IAnsiConsole _console;
    private readonly GateClient _shop;
    private readonly TokenIssuer _issuer;
    private readonly DbContextOptions<OrderingDbContext> _contextOptions;
    private readonly SaleAuditor _auditor;
    private readonly IConnectionMultiplexer _redis;

    private DemoRun(SystemAddresses addresses, DemoOptions options, IAnsiConsole console, GateClient shop, IConnectionMultiplexer redis)
    {
        (_addresses, _options, _console, _shop, _redis) = (addresses, options, console, shop, redis);
        _issuer = new TokenIssuer(options.SigningKey);
        _contextOptions = new DbContextOptionsBuilder<OrderingDbContext>()
            .UseMySql(addresses.MySql, new MySqlServerVersion(new Version(8, 0, 36))).Options;
        _auditor = new SaleAuditor(Context, new StockLedger(redis));
    }

    /// <returns>True when nothing was oversold, lost, doubled, contradicted or leaked and every click got an answer.</returns>
    public static async Task<bool> ExecuteAsync(
        SystemAddresses addresses, DemoOptions options, IAnsiConsole console, CancellationToken cancellationToken)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(addresses.Redis);
        using var shop = new GateClient(addresses.Api, options.Concurrency, RequestTimeoutMs);
        var run = new DemoRun(addresses, options, console, shop, redis);
        if (options.SkuId is { } given)
        {
            await DemoSale.OpenAsync(shop, run._issuer.ForOperator(), given, cancellationToken);
            return await run.SellAsync(given, cancellationToken);
        }

        await run.RehearseAsync(cancellationToken);
        return await run.OnFreshSaleAsync(options.Units, skuId => run.SellAsync(skuId, cancellationToken), cancellationToken);
    }

    /// <summary>Warms up the system, so that the measured buyers do not pay for a cold start.</summary>
    private async Task RehearseAsync(CancellationToken cancellationToken)
    {
        var buyers = Crowd(Math.Min(_options.Buyers, RehearsalBuyersMax));
        _console.MarkupLine(string.Create(CultureInfo.InvariantCulture, $"{buyers.Length:N0} buyers warm the system up on another sale"));
        await OnFreshSaleAsync(
            RehearsalUnits,
            async skuId =>
            {
                var crowd = new Rush(_shop, skuId, _options.Concurrency);
                var clicked = await crowd.ClickAsync(buyers, () => { }, cancellationToken);
                await crowd.AwaitOutcomesAsync(clicked.Answers, OutcomeDeadlineMs, () => { }, cancellationToken);
                await _auditor.ReadWhenQuietAsync(new SkuKeys(skuId), QuietDeadlineMs, cancellationToken);
                return true;
            },
            cancellationToken);
    }

    /// <summary>
    /// A sale of our own, which is removed from the page afterwards, unless something went wrong and the sale is worth a look.
    /// </summary>
    private async Task<bool> OnFreshSaleAsync(int units, Func<long, Task<bool>> sell, CancellationToken cancellationToken)
    {
        var skuId = await DemoSale.CreateAsync(Context, units, cancellationToken);
        var clean = true;
        try
        {
            await DemoSale.OpenAsync(_shop, _issuer.ForOperator(), skuId, cancellationToken);
            return clean = await sell(skuId);
        }
        finally
        {
            if (clean)
            {
                // Also after Ctrl-C, when orders that need the sale may still be under way.
                using var timeout = new CancellationTokenSource(RemoveTimeoutMs);
                await _auditor.ReadWhenQuietAsync(new SkuKeys(skuId), RemoveQuietMsMax, timeout.Token);
                await DemoSale.RemoveAsync(Context, _redis, skuId, timeout.Token);
            }
            else
            {
                _console.MarkupLine($"The sale of SKU {skuId} was left as it is.");
            }
        }
    }

    private async Task<bool> SellAsync(long skuId, CancellationToken cancellationToken)
    {
        var buyers = Crowd(_options.Buyers);
        var sku = new SkuKeys(skuId);
        var before = await _auditor.ReadAsync(sku, cancellationToken);
        _console.MarkupLine(string.Create(CultureInfo.InvariantCulture,
            $"[bold]{buyers.Length:N0} buyers[/] compete for [bold]{before.RedisStock:N0} units[/] of SKU {skuId} at {_addresses.Api}"));

        var watch = new StockWatch(_addresses.MySql, skuId);
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watched = watch.RunAsync(watching.Token);
        var (rush, outcomes) = await DemoProgress.ShowAsync(_console, buyers.Length, async (onAnswer, onQueued, onSettled) =>
        {
            var crowd = new Rush(_shop, skuId, _options.Concurrency);
            var clicked = await crowd.ClickAsync(buyers, onAnswer, cancellationToken);
            onQueued(clicked.Answers.Count(a => a.Outcome == AskOutcome.Queued));
            return (clicked, await crowd.AwaitOutcomesAsync(clicked.Answers, OutcomeDeadlineMs, onSettled, cancellationToken));
        });

        var after = await _auditor.ReadWhenQuietAsync(sku, QuietDeadlineMs, cancellationToken);
        await watching.CancelAsync();
        await watched;

        var verdict = SaleVerdict.Of(before, after, rush.Answers, outcomes);
        DemoReport.Print(_console, new DemoFigures(before, after, rush, outcomes, watch.Changes, verdict));
        return verdict.Clean;
    }

    private OrderingDbContext Context() => new(_contextOptions);

    /// <summary>Buyers that no earlier run used: the limit counts everything that a buyer ever bought.</summary>
    private Buyer[] Crowd(int count)
    {
        var first = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        var buyers = new Buyer[count];
        Parallel.For(0, count, i => buyers[i] = new Buyer(first + i, _issuer.ForBuyer(first + i), Guid.NewGuid().ToString()));
        return buyers;
    }
}
