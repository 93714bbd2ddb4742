using MySqlConnector;
using Seckill.Bench.Load;
using Seckill.Ordering.Ledger;

namespace Seckill.Bench.Chaos;

/// <summary>One SKU of the run.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Units">Put on sale.</param>
/// <param name="LimitPerUser">Units one buyer may buy.</param>
/// <param name="SharePercent">Percentage of clicks on this SKU.</param>
public sealed record ChaosSale(long SkuId, int Units, int LimitPerUser, int SharePercent)
{
    private const int OpenTimeoutMs = 60_000;
    private const int PollDelayMs = 100;

    /// <summary>Expected clicks per second if no rate is given; only the sizes of the sales depend on it.</summary>
    private const int ExpectedPerSecond = 400;

    public SkuKeys Keys { get; } = new(SkuId);

    /// <summary>A hot one that sells out in the last third, two that last, and a small one that sells out soon.</summary>
    public static IReadOnlyList<ChaosSale> Plan(ChaosOptions options)
    {
        var clicks = options.Seconds * (options.BuyersPerSecond > 0 ? options.BuyersPerSecond : ExpectedPerSecond);
        return
        [
            new(2001, Math.Max(50, clicks * 50 / 100 * 60 / 100), 1, 50),
            new(2002, Math.Max(100, clicks), 2, 20),
            new(2003, Math.Max(100, clicks), 3, 20),
            new(2004, Math.Max(20, clicks * 10 / 100 / 8), 1, 10),
        ];
    }

    /// <summary>Writes the sale into MySQL, as a shop's catalogue would.</summary>
    public async Task CreateAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(
            """
            INSERT INTO products (id, title, description, image) VALUES (@sku, 'Chaos', 'Made by the chaos run.', '/img/chaos.svg');
            INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs)
                VALUES (@sku, @sku, 'Chaos', 9.90, @units, '/img/chaos.svg', '{}');
            INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user, units) VALUES (@sku, @starts, @ends, @limit, @units);
            """,
            connection);
        command.Parameters.AddWithValue("@sku", SkuId);
        command.Parameters.AddWithValue("@units", Units);
        command.Parameters.AddWithValue("@limit", LimitPerUser);
        command.Parameters.AddWithValue("@starts", DateTime.UtcNow.AddHours(-1));
        command.Parameters.AddWithValue("@ends", DateTime.UtcNow.AddDays(1));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Waits until a gate lists it with its stock.</summary>
    /// <exception cref="TimeoutException">It is not on sale within a minute.</exception>
    public async Task WaitUntilOpenAsync(GateClient shop, CancellationToken cancellationToken)
    {
        var started = Environment.TickCount64;
        while (await shop.CatalogueStockAsync(SkuId, cancellationToken) is null)
        {
            if (Environment.TickCount64 - started > OpenTimeoutMs)
            {
                throw new TimeoutException($"SKU {SkuId} is not on sale after {OpenTimeoutMs / 1_000} s.");
            }

            await Task.Delay(PollDelayMs, cancellationToken);
        }
    }
}
