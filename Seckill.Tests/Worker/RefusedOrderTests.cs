using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.DeadLetters;

namespace Seckill.Tests.Worker;

/// <summary>Orders that are refused again and again, and what shows whether they or MySQL are the cause.</summary>
[Collection(nameof(WorkerServers))]
public sealed class RefusedOrderTests(WorkerServers servers)
{
    private const int OrderCount = 12;

    /// <summary>
    /// Twice the longest time until a batch is acked: a wait for a lock, ten seconds of taking it apart, and one more wait. Without a bound
    /// the locks in the test take a minute and a half.
    /// </summary>
    private const int SortedOutMsMax = 35_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_missing_index_is_an_outage_in_which_nothing_is_parked()
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var orders = await shop.SellAsync(1, OrderCount, Cancelled);
        await RunAsync("ALTER TABLE order_items RENAME INDEX ix_order_items_sku_user TO ix_hidden");
        using var log = new LogLines();
        await using var worker = await RunningWorker.StartAsync(
            servers, Cancelled, replace: services => services.AddSingleton<ILoggerProvider>(log));
        try
        {
            await WritingAsync(worker, HealthStatus.Unhealthy, "ix_order_items_sku_user");
            // Twice as many failures as there are before MySQL is probed.
            await Deadline.UntilAsync(() => Task.FromResult(CountOf(log, "MySQL accepts no orders")), failures => failures >= 6, Cancelled);
            Assert.Equal(0, CountOf(log, "is parked"));
        }
        finally
        {
            await RunAsync("ALTER TABLE order_items RENAME INDEX ix_hidden TO ix_order_items_sku_user");
        }

        await shop.SettledAsync(orders, Cancelled);
        var writing = await Deadline.UntilAsync(
            () => worker.EntryAsync("writing", Cancelled), entry => entry.Status != HealthStatus.Unhealthy, Cancelled);
        Assert.Equal((HealthStatus.Healthy, null), (writing.Status, writing.Description));
    }

    /// <summary>45000 is taken for an outage, 22003 for bad data.</summary>
    [Theory]
    [InlineData("45000")]
    [InlineData("22003")]
    public async Task While_every_order_is_refused_none_becomes_a_dead_letter(string sqlState)
    {
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var orders = new List<OrderMessage>();
        for (var i = 0; i < OrderCount; i++)
        {
            orders.Add(await shop.ReserveAsync(1 + i, Cancelled));
            await shop.PublishAsync(orders[i].ToUtf8Json(), Cancelled, RefusedForAnHour());
        }

        // The probe's order, with a negative id, passes.
        await RunAsync($"""
            CREATE TRIGGER refuse_real BEFORE INSERT ON orders FOR EACH ROW
            IF NEW.id > 0 THEN SIGNAL SQLSTATE '{sqlState}' SET MESSAGE_TEXT = 'none at all'; END IF
            """);
        try
        {
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await WritingAsync(worker, HealthStatus.Unhealthy, "no order is accepted");
            Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));

            await RunAsync("DROP TRIGGER refuse_real");
            await shop.SettledAsync(orders, Cancelled);
            await WritingAsync(worker, HealthStatus.Degraded, "were parked");
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS refuse_real");
        }

        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    [Fact]
    public async Task An_order_that_is_refused_while_others_pass_becomes_a_dead_letter()
    {
        const int Refused = 88_001;
        await using var shop = await Shop.OpenAsync(servers, OrderCount, Cancelled);
        var refused = await shop.ReserveAsync(Refused, Cancelled);
        await RunAsync($"""
            CREATE TRIGGER refuse_one BEFORE INSERT ON orders FOR EACH ROW
            IF NEW.user_id = {Refused} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF
            """);
        try
        {
            await using var worker = await RunningWorker.StartAsync(servers, Cancelled);
            await shop.SettledAsync(await shop.SellAsync(1, 1, Cancelled), Cancelled);
            await shop.PublishAsync(refused.ToUtf8Json(), Cancelled, RefusedForAnHour());

            var letter = await shop.DeadLetterAsync(Cancelled);

            Assert.Equal(refused.ToUtf8Json(), letter.Body.ToArray());
        }
        finally
        {
            await RunAsync("DROP TRIGGER IF EXISTS refuse_one");
        }
    }

    [Fact]
    public async Task Many_that_wait_for_a_lock_delay_what_is_behind_them_for_a_bounded_time()
    {
        const int Pairs = 16;
        await using var shop = await Shop.OpenAsync(servers, (2 * Pairs) + 1, Cancelled);
        var orders = new List<OrderMessage>();
        await using var locking = await servers.OpenMySqlAsync(Cancelled);
        await using var transaction = await locking.BeginTransactionAsync(Cancelled);
        for (var i = 0; i < Pairs; i++)
        {
            var click = Guid.NewGuid().ToString("N");
            await LockAsync(transaction, -(shop.Sku.SkuId * 100) - i, 1 + i, click);
            orders.Add(await shop.ReserveAsync(1 + i, Cancelled, clientOrderNo: click));
            orders.Add(await shop.ReserveAsync(1_001 + i, Cancelled));
        }

        await Task.WhenAll(orders.Select(order => shop.PublishAsync(order, Cancelled)));
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, new() { ["Worker:BatchWaitMsMax"] = "500" });
        // The batch waits for a lock.
        await Deadline.UntilAsync(() => LockWaitsAsync(shop), waits => waits is not null, Cancelled);
        var started = Stopwatch.GetTimestamp();
        await shop.SettledAsync(await shop.SellAsync(5_001, 1, Cancelled), Cancelled);
        Assert.InRange(Stopwatch.GetElapsedTime(started).TotalMilliseconds, 0, SortedOutMsMax);

        await transaction.RollbackAsync(Cancelled);
        await shop.SettledAsync(orders, Cancelled);
        Assert.Equal(0u, await shop.DeadLetterCountAsync(Cancelled));
        await shop.AssertConservedAsync(Cancelled);
    }

    /// <summary>An uncommitted order with the same click: the worker's insert waits for the index, not for the SKU's row.</summary>
    private static async Task LockAsync(MySqlTransaction transaction, long id, long userId, string click)
    {
        await using var command = new MySqlCommand(
            """
            INSERT INTO orders (id, order_sn, user_id, client_order_no, status, total_amount, pay_amount, gate_epoch, trace_id, reserved_at,
                picked_up_at, created_at, expires_at)
            VALUES (@id, @id, @user, @click, 0, 1, 1, 1, '', UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP())
            """, transaction.Connection, transaction);
        command.Parameters.AddWithValue("@id", id);
        command.Parameters.AddWithValue("@user", userId);
        command.Parameters.AddWithValue("@click", click);
        await command.ExecuteNonQueryAsync(Cancelled);
    }

    /// <summary>The properties of a message that was parked for an hour and would become a dead letter with its next refusal.</summary>
    private static BasicProperties RefusedForAnHour() => new()
    {
        Persistent = true,
        Headers = new Dictionary<string, object?>
        {
            [DeadLetterHeaders.ParkedAt] = Text(DateTime.UtcNow.AddHours(-1)),
            [DeadLetterHeaders.LastAt] = Text(DateTime.UtcNow.AddMinutes(-1)),
            [DeadLetterHeaders.Attempts] = 500L,
        },
    };

    private static string Text(DateTime time) => time.ToString("O", CultureInfo.InvariantCulture);

    private static int CountOf(LogLines log, string words) =>
        log.Lines.Count(line => line.Text.Contains(words, StringComparison.Ordinal));

    /// <summary>Not from innodb_trx, which needs a right of its own.</summary>
    private static Task<string?> LockWaitsAsync(Shop shop) => shop.AskAsync<string?>(
        "SHOW GLOBAL STATUS WHERE Variable_name = 'Innodb_row_lock_current_waits' AND Value > 0", Cancelled);

    private static Task<HealthReportEntry> WritingAsync(RunningWorker worker, HealthStatus status, string reason) => Deadline.UntilAsync(
        () => worker.EntryAsync("writing", Cancelled),
        entry => entry.Status == status && entry.Description?.Contains(reason, StringComparison.Ordinal) == true, Cancelled);

    private async Task RunAsync(string sql)
    {
        await using var connection = await servers.OpenMySqlAsAdministratorAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancelled);
    }
}
