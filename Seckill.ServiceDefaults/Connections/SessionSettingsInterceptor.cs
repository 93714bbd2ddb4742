using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>
/// Settings of each session, applied whenever it is opened, because the pool resets sessions. The client escapes a backslash by doubling
/// it. A server whose <c>sql_mode</c> has NO_BACKSLASH_ESCAPES would store both, so each session removes that mode. MariaDB turns a list of
/// 1,000 constants (500 pairs) or more into a subquery, and may then scan the whole table instead of looking each value up in the index;
/// each session turns that off.
/// </summary>
/// <remarks>See https://mariadb.com/kb/en/conversion-of-big-in-predicates-into-subqueries/.</remarks>
internal sealed class SessionSettingsInterceptor : DbConnectionInterceptor
{
    /// <summary>MariaDB from 10.3.18 on executes the comment as part of the statement; no other server does.</summary>
    private const string Settings =
        "SET sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')/*M!100318 , in_predicate_conversion_threshold = 0*/";

    public override async Task ConnectionOpenedAsync(
        DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        // Part of opening: it has the same time limit, and no span of its own.
        using var untraced = SuppressInstrumentationScope.Begin();
        try
        {
            await using var command = connection.CreateCommand();
            command.CommandText = Settings;
            command.CommandTimeout = connection.ConnectionTimeout;
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch
        {
            // EF does not consider it open, so nobody else would close it.
            await connection.CloseAsync();
            throw;
        }
    }
}
