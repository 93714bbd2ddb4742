using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Migrating;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Faults;

/// <summary>A worker killed in the middle of the first migration leaves some tables and an empty history.</summary>
[Collection(nameof(WorkerServers))]
public sealed class HalfMadeSchemaTests(WorkerServers servers)
{
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.95)]
    public async Task The_next_worker_begins_again(double share)
    {
        var database = await CreateDatabaseAsync();
        var statements = Statements(database);
        await ExecuteAsync(database, [$"CREATE TABLE `{FirstMigration.Marker}` (`id` int NOT NULL PRIMARY KEY)", .. statements.Take(
            (int)(statements.Count * share))]);

        await using var worker = await RunningWorker.StartAsync(servers, _cancellation, Settings(database));
        await worker.HealthAsync("migrated", HealthStatus.Healthy, _cancellation);

        Assert.Equal(1_024, await AskAsync(database, "SELECT COUNT(*) FROM snowflake_nodes"));
        Assert.Equal(MigrationCount(database), await AskAsync(database, "SELECT COUNT(*) FROM __EFMigrationsHistory"));
        Assert.Equal(0, await AskAsync(
            database,
            $"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{FirstMigration.Marker}'"));
    }

    [Fact]
    public async Task A_worker_that_was_killed_between_a_later_migration_and_its_line_in_the_history_is_followed_by_one_that_goes_on()
    {
        var database = await CreateDatabaseAsync();
        using (var context = Context(database))
        {
            await context.Database.MigrateAsync(_cancellation);
        }

        await ExecuteAsync(
            database,
            ["DELETE FROM __EFMigrationsHistory ORDER BY MigrationId DESC LIMIT 1"]);

        await using var worker = await RunningWorker.StartAsync(servers, _cancellation, Settings(database));
        await worker.HealthAsync("migrated", HealthStatus.Healthy, _cancellation);

        Assert.Equal(MigrationCount(database), await AskAsync(database, "SELECT COUNT(*) FROM __EFMigrationsHistory"));
    }

    [Fact]
    public async Task Tables_that_the_migration_did_not_make_are_never_dropped()
    {
        var database = await CreateDatabaseAsync();
        await ExecuteAsync(database, ["CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY)", "INSERT INTO orders VALUES (42)"]);

        await using var worker = await RunningWorker.StartAsync(servers, _cancellation, Settings(database));
        // The worker keeps trying: the tables created before `orders` show that it has got that far.
        await Deadline.UntilAsync(
            () => AskAsync(database, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"), count => count > 2,
            _cancellation);
        await worker.HealthAsync("migrated", HealthStatus.Unhealthy, _cancellation);
        Assert.Equal(42, await AskAsync(database, "SELECT id FROM orders"));
    }

    /// <summary>The first migration, statement by statement.</summary>
    private static List<string> Statements(string connectionString)
    {
        using var context = Context(connectionString);
        return
        [
            .. context.GetService<IMigrator>().GenerateScript(toMigration: context.Database.GetMigrations().First())
                .Split(";\n", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Where(statement => statement is not ("START TRANSACTION" or "COMMIT")
                    && !statement.Contains("INSERT INTO `__EFMigrationsHistory`", StringComparison.Ordinal)),
        ];
    }

    private static int MigrationCount(string connectionString)
    {
        using var context = Context(connectionString);
        return context.Database.GetMigrations().Count();
    }

    private static OrderingDbContext Context(string connectionString) => new(
        new DbContextOptionsBuilder<OrderingDbContext>()
            .UseMySql(connectionString, new MySqlServerVersion(new Version(8, 0, 36))).Options);

    private async Task<string> CreateDatabaseAsync()
    {
        var name = $"half_{Guid.NewGuid():N}";
        await servers.MySql.AddDatabaseAsync(name, _cancellation);
        await ExecuteAsync(servers.MySql.ConnectionString, [$"CREATE DATABASE {name}"]);
        return servers.MySql.ConnectionStringOf(name);
    }

    private static Dictionary<string, string?> Settings(string database) => new() { ["ConnectionStrings:mysql"] = database };

    private async Task ExecuteAsync(string database, IEnumerable<string> statements)
    {
        await using var connection = new MySqlConnection(database + ";Pooling=False");
        await connection.OpenAsync(_cancellation);
        foreach (var statement in statements)
        {
            await using var command = new MySqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(_cancellation);
        }
    }

    private async Task<long> AskAsync(string database, string sql)
    {
        await using var connection = new MySqlConnection(database + ";Pooling=False");
        await connection.OpenAsync(_cancellation);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(_cancellation), System.Globalization.CultureInfo.InvariantCulture);
    }
}
