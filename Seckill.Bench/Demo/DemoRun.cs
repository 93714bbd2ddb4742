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

/// <summary>Makes a sale, lets the crowd in, waits for every answer, and checks the answers against the stores.</summary>
public static class DemoRun
{
    private const int RequestTimeoutMs = 30_000;
    private const int OutcomeDeadlineMs = 60_000;
    private const int QuietDeadlineMs = 30_000;

    /// <returns>True when nothing was oversold, lost, doubled, contradicted or leaked and every click got an answer.</returns>
    public static async Task<bool> ExecuteAsync(
        SystemAddresses addresses, DemoOptions options, IAnsiConsole console, CancellationToken cancellationToken)
    {
        var contextOptions = new DbContextOptionsBuilder<OrderingDbContext>()
            .UseMySql(addresses.MySql, new MySqlServerVersion(new Version(8, 0, 36)))
            .Options;
        OrderingDbContext Context() => new(contextOptions);
        await using var redis = await ConnectionMultiplexer.ConnectAsync(addresses.Redis);
        using var shop = new GateClient(addresses.Api, options.Concurrency, RequestTimeoutMs);
        var issuer = new TokenIssuer(options.SigningKey);

        var skuId = options.SkuId ?? await DemoSale.CreateAsync(Context, options.Units, cancellationToken);
        await DemoSale.OpenAsync(shop, issuer.ForOperator(), skuId, cancellationToken);
        var buyers = Crowd(options.Buyers, issuer);

        var sku = new SkuKeys(skuId);
        var auditor = new SaleAuditor(Context, new StockLedger(redis));
        var before = await auditor.ReadAsync(sku, cancellationToken);
        console.MarkupLine(string.Create(CultureInfo.InvariantCulture,
            $"[bold]{buyers.Length:N0} buyers[/] fight for [bold]{before.RedisStock:N0} units[/] of SKU {skuId} at {addresses.Api}"));

        var watch = new StockWatch(addresses.MySql, skuId);
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watched = watch.RunAsync(watching.Token);
        var (rush, outcomes) = await DemoProgress.ShowAsync(console, buyers.Length, async (onAnswer, onQueued, onSettled) =>
        {
            var crowd = new Rush(shop, skuId, options.Concurrency);
            var clicked = await crowd.ClickAsync(buyers, onAnswer, cancellationToken);
            onQueued(clicked.Answers.Count(a => a.Outcome == AskOutcome.Queued));
            return (clicked, await crowd.AwaitOutcomesAsync(clicked.Answers, OutcomeDeadlineMs, onSettled, cancellationToken));
        });

        var after = await auditor.ReadWhenQuietAsync(sku, QuietDeadlineMs, cancellationToken);
        await watching.CancelAsync();
        await watched;

        var verdict = SaleVerdict.Of(before, after, rush.Answers, outcomes);
        DemoReport.Print(console, new DemoFigures(before, after, rush, outcomes, watch.Changes, verdict));
        return verdict.Clean;
    }

    /// <summary>Buyers that no earlier run knew: a limit counts what a buyer ever bought.</summary>
    private static Buyer[] Crowd(int count, TokenIssuer issuer)
    {
        var first = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        var buyers = new Buyer[count];
        Parallel.For(0, count, i => buyers[i] = new Buyer(first + i, issuer.ForBuyer(first + i), Guid.NewGuid().ToString()));
        return buyers;
    }
}
