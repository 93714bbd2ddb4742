using System.Diagnostics;
using System.Globalization;
using MySqlConnector;

namespace Seckill.Bench.Audit;

/// <summary>A change in the stock.</summary>
/// <param name="At">When it was seen, a <see cref="Stopwatch"/> timestamp.</param>
/// <param name="Stock">Units.</param>
public readonly record struct StockChange(long At, long Stock);

/// <summary>Watches a SKU's stock in MySQL from outside, to see when orders are really committed.</summary>
public sealed class StockWatch(string connectionString, long skuId)
{
    private const int PollDelayMs = 5;
    private const int RetryDelayMs = 200;

    private readonly List<StockChange> _changes = [];

    /// <summary>The first entry is the stock at the start, the last one follows the last order.</summary>
    public IReadOnlyList<StockChange> Changes => _changes;

    /// <summary>Watches until cancelled, through any outage of MySQL; <see cref="Changes"/> may be read afterwards.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await WatchAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (MySqlException)
            {
                await Task.Delay(RetryDelayMs, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand("SELECT stock FROM product_skus WHERE id = @id", connection);
        command.Parameters.AddWithValue("@id", skuId);
        while (true)
        {
            var stock = Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
            if (_changes.Count == 0 || _changes[^1].Stock != stock)
            {
                _changes.Add(new StockChange(Stopwatch.GetTimestamp(), stock));
            }

            await Task.Delay(PollDelayMs, cancellationToken);
        }
    }
}
