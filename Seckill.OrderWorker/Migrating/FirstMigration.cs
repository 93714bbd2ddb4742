using System.Data;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.OrderWorker.Migrating;

/// <summary>
/// Migrates so that a process killed in the middle of the very first migration does no lasting harm. MySQL commits DDL statement by
/// statement, so a kill leaves some tables without an entry in the migrations' history. Applying the migration again then fails at the
/// first existing table.
///
/// So a marker table is created first, and only while none of our tables exists. A marker with an empty history shows that the failed
/// attempt created all of our tables. They hold no data, so they are dropped and created again. Nothing is ever dropped without the marker,
/// or if there are products or orders after all, as when only the history was lost.
/// </summary>
internal static class FirstMigration
{
    public const string Marker = "seckill_first_migration";

    /// <summary>Longest wait for another worker that is migrating, seconds; then the migrator tries again.</summary>
    private const int LockWaitSecondsMax = 60;

    /// <summary>
    /// Longest wait for other clients' use of a table, seconds; then the migrator tries again. While a change of a table waits for a
    /// forgotten reader, everything else that uses the table waits behind it, the orders of a sale among them.
    /// </summary>
    private const int TableWaitSecondsMax = 2;

    /// <summary>Tables that are never dropped while they have rows.</summary>
    private static readonly string[] Kept = ["products", "orders"];

    /// <exception cref="InvalidOperationException">There is data that the history of the migrations does not know.</exception>
    /// <exception cref="MySqlException">MySQL does not answer, or refuses.</exception>
    /// <exception cref="TimeoutException">Another worker has been migrating for too long.</exception>
    public static async Task RunAsync(OrderingDbContext context, CancellationToken cancellationToken)
    {
        await CreateDatabaseAsync(context, cancellationToken);
        if (!(await context.Database.GetPendingMigrationsAsync(cancellationToken)).Any())
        {
            // Even statements that change nothing, such as CREATE TABLE IF NOT EXISTS, need rights that this account may lack. A marker
            // beside a history means nothing; the next migration drops it.
            return;
        }

        // The named lock belongs to the connection and is released with it when the process dies.
        await context.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            // Ends with the connection's use: the pool resets it before it hands it out again.
            await ExecuteAsync(context, $"SET SESSION lock_wait_timeout = {TableWaitSecondsMax}", cancellationToken);
            await LockAsync(context, cancellationToken);
            await PrepareAsync(context, cancellationToken);
            await context.Database.MigrateAsync(cancellationToken);
            await ExecuteAsync(context, $"DROP TABLE IF EXISTS `{Marker}`", cancellationToken);
        }
        finally
        {
            await UnlockAsync(context);
            await context.Database.CloseConnectionAsync();
        }
    }

    private static async Task CreateDatabaseAsync(OrderingDbContext context, CancellationToken cancellationToken)
    {
        var creator = context.GetService<IRelationalDatabaseCreator>();
        if (await creator.ExistsAsync(cancellationToken))
        {
            return;
        }

        try
        {
            await creator.CreateAsync(cancellationToken);
        }
        catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.DatabaseCreateExists)
        {
            // Another worker was faster.
        }
    }

    /// <summary>Marks an empty database, or drops the tables of a failed attempt.</summary>
    private static async Task PrepareAsync(OrderingDbContext context, CancellationToken cancellationToken)
    {
        if ((await context.Database.GetAppliedMigrationsAsync(cancellationToken)).Any())
        {
            return;
        }

        var ours = context.Model.GetEntityTypes().Select(entity => entity.GetTableName()).OfType<string>().Distinct().ToList();
        var quoted = string.Join(',', ours.Select(table => $"'{table}'"));
        const string Here = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name";
        if (await AskAsync(context, $"{Here} = '{Marker}'", cancellationToken) > 0)
        {
            foreach (var table in Kept)
            {
                if (await AskAsync(context, $"{Here} = '{table}'", cancellationToken) > 0
                    && await AskAsync(context, $"SELECT EXISTS (SELECT 1 FROM `{table}`)", cancellationToken) > 0)
                {
                    throw new InvalidOperationException(
                        $"the history of the migrations is empty, but `{table}` has rows: restore `__EFMigrationsHistory` "
                        + $"and drop `{Marker}`, or empty the database");
                }
            }

            // One statement, because foreign keys link the tables.
            var tables = string.Join(',', ours.Select(table => $"`{table}`"));
            await ExecuteAsync(
                context,
                $"SET SESSION foreign_key_checks = 0; DROP TABLE IF EXISTS {tables}; SET SESSION foreign_key_checks = 1",
                cancellationToken);
        }
        else if (await AskAsync(context, $"{Here} IN ({quoted})", cancellationToken) == 0)
        {
            await ExecuteAsync(context, $"CREATE TABLE `{Marker}` (`id` int NOT NULL PRIMARY KEY)", cancellationToken);
        }
    }

    private static async Task LockAsync(OrderingDbContext context, CancellationToken cancellationToken)
    {
        var lockSql = $"SELECT GET_LOCK(LEFT(CONCAT('{Marker}:', DATABASE()), 64), {LockWaitSecondsMax})";
        if (await AskAsync(context, lockSql, cancellationToken) != 1)
        {
            throw new TimeoutException($"Another worker has been migrating for more than {LockWaitSecondsMax} s.");
        }
    }

    private static async Task UnlockAsync(OrderingDbContext context)
    {
        if (context.Database.GetDbConnection().State == ConnectionState.Open)
        {
            await AskAsync(context, $"SELECT COALESCE(RELEASE_LOCK(LEFT(CONCAT('{Marker}:', DATABASE()), 64)), 0)", CancellationToken.None);
        }
    }

    private static async Task<long> AskAsync(OrderingDbContext context, string sql, CancellationToken cancellationToken)
    {
        await using var command = context.Database.GetDbConnection().CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = LockWaitSecondsMax + 30;
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
    }

    private static async Task ExecuteAsync(OrderingDbContext context, string sql, CancellationToken cancellationToken)
    {
        await using var command = context.Database.GetDbConnection().CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
