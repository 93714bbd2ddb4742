using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using MySqlConnector;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>
/// After a planned switch-over pooled connections stay on the old primary, which answers every read and refuses every write. Such a
/// refusal clears the pool, so that the next try follows the address to the new primary.
/// </summary>
public static class MySqlSwitchOver
{
    /// <summary>ER_READ_ONLY_MODE, which the client does not name.</summary>
    private const MySqlErrorCode ReadOnlyMode = (MySqlErrorCode)1836;

    /// <summary>Clears the connection's pool if the server has refused to write because it is read-only.</summary>
    public static Task LeaveIfReadOnlyAsync(DbConnection connection, Exception exception) =>
        IsReadOnly(exception) ? LeaveAsync(connection) : Task.CompletedTask;

    /// <summary>Clears the connection's pool; connections in use are closed when they are returned.</summary>
    internal static Task LeaveAsync(DbConnection connection) => MySqlConnection.ClearPoolAsync((MySqlConnection)connection);

    internal static bool IsReadOnly(Exception exception) => exception is MySqlException refused
        && (refused.ErrorCode
                is MySqlErrorCode.OptionPreventsStatement or MySqlErrorCode.CannotExecuteInReadOnlyTransaction or ReadOnlyMode
            || refused.Message.Contains("read only", StringComparison.OrdinalIgnoreCase)
            || refused.Message.Contains("read-only", StringComparison.OrdinalIgnoreCase));
}

/// <summary>Does this for every EF command.</summary>
internal sealed class SwitchOverInterceptor : DbCommandInterceptor, IDbTransactionInterceptor
{
    public override Task CommandFailedAsync(
        DbCommand command, CommandErrorEventData eventData, CancellationToken cancellationToken = default) =>
        LeaveIfReadOnlyAsync(eventData.Context, eventData.Exception);

    public Task TransactionFailedAsync(
        DbTransaction transaction, TransactionErrorEventData eventData, CancellationToken cancellationToken = default) =>
        LeaveIfReadOnlyAsync(eventData.Context, eventData.Exception);

    private static Task LeaveIfReadOnlyAsync(DbContext? context, Exception exception) => context is null
        ? Task.CompletedTask
        : MySqlSwitchOver.LeaveIfReadOnlyAsync(context.Database.GetDbConnection(), exception);
}
