using MySqlConnector;
using Seckill.Ordering.Ledger;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Fixtures;

/// <summary>Additions to <see cref="LocalSystem"/> for the tests.</summary>
public static class SystemUnderTest
{
    /// <summary>The most that the gate allows.</summary>
    private const int PatienceMs = 30_000;

    /// <summary>Application settings as environment variables.</summary>
    public static LocalSystemOptions Options(params (string Name, string Value)[] settings) =>
        new() { Settings = settings.ToDictionary(setting => setting.Name, setting => setting.Value) };

    /// <summary>
    /// Settings of an application that waits for Redis for as long as it may. By default a click is answered "busy" after a second without
    /// Redis, and on a busy machine Redis may pause for that long: this is for tests that send a click once.
    /// </summary>
    public static (string Name, string Value)[] Patience(this LocalSystem system) =>
    [
        ("ConnectionStrings__redis", $"{system.RedisConnectionString},asyncTimeout={PatienceMs}"),
        ("Gate__AnswerWithinMs", $"{PatienceMs}"),
    ];

    /// <summary>Starts a worker, which creates the tables, and then an Api; see <see cref="Patience"/>.</summary>
    public static async Task<LocalSystem> WithApplicationsAsync(
        this Task<LocalSystem> starting, CancellationToken cancellationToken, bool patient = false)
    {
        var system = await starting;
        try
        {
            var settings = patient ? system.Patience() : [];
            await system.StartWorkerAsync(cancellationToken, settings: settings);
            await system.StartApiAsync(cancellationToken, settings: settings);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    public static StockLedger Ledger(this LocalSystem system) => new(system.RedisConnection);

    public static ShopClient Client(this LocalSystem system, LocalService? api = null) => new((api ?? system.Apis[0]).Url);

    /// <summary>Puts a new SKU on sale; the Api instances discover it.</summary>
    public static async Task AddSaleAsync(
        this LocalSystem system, long skuId, int units, int limitPerUser, CancellationToken cancellationToken, TimeSpan? startsIn = null,
        TimeSpan? endsIn = null)
    {
        await using var connection = await system.OpenMySqlAsync(cancellationToken);
        await using var command = new MySqlCommand(
            """
            INSERT INTO products (id, title, description, image) VALUES (@sku, 'Test', 'Test', '/img/test.svg');
            INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs)
                VALUES (@sku, @sku, 'Test SKU', 9.90, @units, '/img/test.svg', '{}');
            INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user, units) VALUES (@sku, @starts, @ends, @limit, @units);
            """,
            connection);
        command.Parameters.AddWithValue("@sku", skuId);
        command.Parameters.AddWithValue("@units", units);
        command.Parameters.AddWithValue("@limit", limitPerUser);
        command.Parameters.AddWithValue("@starts", DateTime.UtcNow + (startsIn ?? TimeSpan.FromHours(-1)));
        command.Parameters.AddWithValue("@ends", DateTime.UtcNow + (endsIn ?? TimeSpan.FromDays(1)));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
