using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.OrderWorker.Migrating;

/// <summary>
/// The rights of the applications' account, granted once the tables exist: read and write on every table, but only insert and read on the
/// audit. In MySQL a grant on a table takes nothing away from a grant on the whole database, so the account must not have the latter.
/// </summary>
internal static class ApplicationGrants
{
    /// <summary>An account as in <c>seckill@%</c>; neither part can contain a quote.</summary>
    public const string AccountPattern = @"^[A-Za-z0-9_.-]{1,32}@[A-Za-z0-9_.:%/-]{1,255}$";

    private const string History = "__EFMigrationsHistory";

    private static readonly Type[] AppendOnly = [typeof(OpsAuditEntry), typeof(OpsAuditOutcome)];

    /// <exception cref="MySqlException">The account does not exist, or ours lacks the right to grant.</exception>
    public static async Task ApplyAsync(OrderingDbContext context, string account, CancellationToken cancellationToken)
    {
        var at = account.IndexOf('@', StringComparison.Ordinal);
        var grantee = $"'{account[..at]}'@'{account[(at + 1)..]}'";
        var statements = context.Model.GetEntityTypes()
            .Where(entity => entity.GetTableName() is not null)
            .Select(entity => Grant(
                AppendOnly.Contains(entity.ClrType) ? "SELECT, INSERT" : "SELECT, INSERT, UPDATE, DELETE", entity.GetTableName()!, grantee))
            .Append(Grant("SELECT", History, grantee));
        await context.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            foreach (var statement in statements)
            {
                await using var command = context.Database.GetDbConnection().CreateCommand();
                // Account and table names cannot be parameters.
                command.CommandText = statement;
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
        }
        finally
        {
            await context.Database.CloseConnectionAsync();
        }
    }

    private static string Grant(string rights, string table, string grantee) => $"GRANT {rights} ON `{table}` TO {grantee}";
}
