using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Store;

namespace Seckill.Api.Snapshots;

/// <summary>
/// Which MySQL server a session reaches. After a fail-over, or a change of the address, it is another one, which may lack its predecessor's
/// last transactions.
/// </summary>
internal static class StoreServer
{
    /// <summary>
    /// SHOW, because MariaDB has no <c>@@server_uuid</c>: it just leaves that line out. A replica needs a <c>server_id</c> of its own.
    /// </summary>
    private const string Identity =
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('hostname', 'port', 'server_id', 'server_uuid')";

    /// <summary>The server's identity. Inside a transaction it is the server that answers all of its statements.</summary>
    public static async Task<string> ReadAsync(OrderingDbContext context, CancellationToken cancellationToken) =>
        string.Join('|', await context.Database.SqlQueryRaw<string>(Identity).ToListAsync(cancellationToken));
}
