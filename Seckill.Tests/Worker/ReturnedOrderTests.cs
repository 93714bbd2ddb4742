using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Ordering.DeadLetters;

namespace Seckill.Tests.Worker;

/// <summary>An order that comes back from the parked queue is tried again without keeping others back.</summary>
[Collection(nameof(WorkerServers))]
public sealed class ReturnedOrderTests(WorkerServers servers)
{
    private const int SoonMs = 60_000;
    private const int HalfCount = 50;

    /// <summary>Fewer tries than an order has that was not parked before; each waits for the lock.</summary>
    private const int TriesMax = 3;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_that_waits_for_a_lock_again_costs_the_others_few_tries()
    {
        await using var shop = await Shop.OpenAsync(servers, (2 * HalfCount) + 1, Cancelled);
        var click = Guid.NewGuid().ToString("N");
        var returned = await shop.ReserveAsync(9, Cancelled, clientOrderNo: click);
        var others = await shop.SellAsync(1_001, HalfCount, Cancelled);
        await shop.PublishAsync(returned.ToUtf8Json(), Cancelled, new BasicProperties
        {
            Persistent = true,
            Headers = new Dictionary<string, object?>
            {
                [DeadLetterHeaders.ParkedAt] = DateTimeOffset.UtcNow.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
                [DeadLetterHeaders.Attempts] = 1L,
            },
        });
        others.AddRange(await shop.SellAsync(2_001, HalfCount, Cancelled));
        using var log = new LogLines();
        await using var locking = await servers.OpenMySqlAsync(Cancelled);
        await using var transaction = await locking.BeginTransactionAsync(Cancelled);
        // Another client's order with the same number, not committed: the worker's insert waits for the index, not for the SKU's row.
        await using var command = new MySqlCommand(
            """
            INSERT INTO orders (id, order_sn, user_id, client_order_no, status, total_amount, pay_amount, gate_epoch, trace_id, reserved_at,
                picked_up_at, created_at, expires_at)
            VALUES (@sku, @sku, 9, @click, 0, 1, 1, 1, '', UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP())
            """, locking, transaction);
        command.Parameters.AddWithValue("@sku", shop.Sku.SkuId);
        command.Parameters.AddWithValue("@click", click);
        await command.ExecuteNonQueryAsync(Cancelled);

        await using var worker = await RunningWorker.StartAsync(
            servers, Cancelled, new() { ["Worker:BatchWaitMsMax"] = "500" },
            replace: services => services.AddSingleton<ILoggerProvider>(log));
        await shop.SettledAsync(others, Cancelled, SoonMs);
        var tries = log.Lines.Count(line => line.Text.StartsWith("MySQL accepts no orders", StringComparison.Ordinal));
        Assert.InRange(tries, 1, TriesMax);

        await transaction.RollbackAsync(Cancelled);
        await shop.SettledAsync(returned, Cancelled, SoonMs);
        Assert.Equal(others.Count + 1, await shop.OrderCountAsync(Cancelled));
        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }
}
