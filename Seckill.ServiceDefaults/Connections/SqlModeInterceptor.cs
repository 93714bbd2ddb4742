using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;
using OpenTelemetry;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>
/// The client escapes a backslash by doubling it. A server whose <c>sql_mode</c> has NO_BACKSLASH_ESCAPES would store both, so each
/// session removes that mode. It is set at each opening, because the pool resets sessions.
/// </summary>
internal sealed class SqlModeInterceptor : DbConnectionInterceptor
{
    private const string WithBackslashEscapes = "SET sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')";

    public override async Task ConnectionOpenedAsync(
        DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        // A part of opening: it has the same bound, and no span of its own.
        using var untraced = SuppressInstrumentationScope.Begin();
        try
        {
            await using var command = connection.CreateCommand();
            command.CommandText = WithBackslashEscapes;
            command.CommandTimeout = connection.ConnectionTimeout;
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch
        {
            // EF does not consider it open, so nothing else would close it.
            await connection.CloseAsync();
            throw;
        }
    }
}
