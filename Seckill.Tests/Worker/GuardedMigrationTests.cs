using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Migrating;

namespace Seckill.Tests.Worker;

/// <summary>A migration neither stops a sale for long nor drops data.</summary>
[Collection(nameof(WorkerServers))]
public sealed class GuardedMigrationTests(WorkerServers servers)
{
    /// <summary>More than the migrator's wait for a table and less than a command's time-out.</summary>
    private const int UpdateMsMax = 15_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_that_waits_for_a_forgotten_reader_lets_others_pass()
    {
        var database = await MigrateAsync(migrations => migrations.First());
        await using var reader = await OpenAsync(database);
        await RunAsync(reader, "START TRANSACTION; SELECT * FROM product_skus");
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:mysql"] = database };
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, settings);

        await Deadline.UntilAsync(
            () => worker.EntryAsync("migrated", Cancelled),
            entry => entry.Description?.Contains("uses a table that is to be changed", StringComparison.Ordinal) == true, Cancelled);
        await using var seller = await OpenAsync(database);
        await RunAsync(seller, "UPDATE product_skus SET stock = stock WHERE id = 1")
            .WaitAsync(TimeSpan.FromMilliseconds(UpdateMsMax), Cancelled);

        await RunAsync(reader, "ROLLBACK");
        await worker.HealthAsync("migrated", HealthStatus.Healthy, Cancelled);
    }

    [Fact]
    public async Task One_whose_history_was_lost_drops_no_data()
    {
        var database = await MigrateAsync(migrations => migrations.Last());
        await using var connection = await OpenAsync(database);
        await RunAsync(
            connection,
            $"""
            DELETE FROM __EFMigrationsHistory;
            CREATE TABLE `{FirstMigration.Marker}` (`id` int NOT NULL PRIMARY KEY);
            INSERT INTO products (id, title, description, image) VALUES (1, 'kept', '', '')
            """);
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:mysql"] = database };
        await using var worker = await RunningWorker.StartAsync(servers, Cancelled, settings);

        var migrated = await Deadline.UntilAsync(
            () => worker.EntryAsync("migrated", Cancelled),
            entry => entry.Description?.Contains("`products` has rows", StringComparison.Ordinal) == true, Cancelled);

        Assert.Equal(HealthStatus.Unhealthy, migrated.Status);
        await using var command = new MySqlCommand("SELECT title FROM products", connection);
        Assert.Equal("kept", await command.ExecuteScalarAsync(Cancelled));
    }

    /// <summary>A new database, migrated up to one of the migrations.</summary>
    private async Task<string> MigrateAsync(Func<IEnumerable<string>, string> upTo)
    {
        var name = $"guarded_{Guid.NewGuid():N}";
        await servers.MySql.AddDatabaseAsync(name, Cancelled);
        var database = servers.MySql.ConnectionStringOf(name);
        using var context = new OrderingDbContext(
            new DbContextOptionsBuilder<OrderingDbContext>().UseMySql(database, new MySqlServerVersion(new Version(8, 0, 36))).Options);
        await context.GetService<IMigrator>().MigrateAsync(upTo(context.Database.GetMigrations()), Cancelled);
        return database;
    }

    private static async Task<MySqlConnection> OpenAsync(string database)
    {
        var connection = new MySqlConnection(database + ";Pooling=False");
        await connection.OpenAsync(Cancelled);
        return connection;
    }

    private static async Task RunAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancelled);
    }
}
