using System.Security.Cryptography;
using MySqlConnector;

namespace Seckill.Tests.Fixtures;

/// <summary>
/// A MySQL or MariaDB with an asynchronous replica behind one address. The replica is read-only.
/// </summary>
public sealed class MySqlPair : IAsyncDisposable
{
    private const int CaughtUpWithinSeconds = 30;

    private readonly MySqlServer[] _servers;
    private readonly TcpSwitch _address;

    private MySqlPair(MySqlServer[] servers)
    {
        _servers = servers;
        _address = new TcpSwitch(Primary.Port);
    }

    public MySqlServer Primary => _servers[0];

    public MySqlServer Replica => _servers[1];

    /// <summary>Leads to the primary, with an account that cannot write on a read-only server.</summary>
    public string ConnectionString =>
        new MySqlConnectionStringBuilder(Primary.ConnectionString) { Port = (uint)_address.Port }.ConnectionString;

    private bool IsMariaDb => Primary.Version.Contains("MariaDB", StringComparison.OrdinalIgnoreCase);

    public static async Task<MySqlPair> StartAsync(CancellationToken cancellationToken)
    {
        var (password, administrator) = (RandomNumberGenerator.GetHexString(24), RandomNumberGenerator.GetHexString(24));
        var starts = Enumerable.Range(1, 2).Select(number => MySqlServer.StartAsync(
            new MySqlServerOptions
            {
                Password = password,
                WithAdministrator = true,
                AdministratorPassword = administrator,
                // Loose options: only one of MySQL and MariaDB knows each of them.
                ExtraArguments =
                [
                    $"--server-id={number}", "--log-bin=binlog", "--loose-gtid-mode=ON", "--loose-enforce-gtid-consistency=ON",
                    "--loose-log-slave-updates",
                ],
            },
            cancellationToken)).ToArray();
        await ((Task)Task.WhenAll(starts)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (Array.Exists(starts, start => !start.IsCompletedSuccessfully))
        {
            foreach (var start in starts.Where(start => start.IsCompletedSuccessfully))
            {
                await (await start).DisposeAsync();
            }
        }

        var pair = new MySqlPair(await Task.WhenAll(starts));
        try
        {
            // The servers' writes so far are identical.
            foreach (var server in pair._servers)
            {
                await ExecuteAsync(server, pair.IsMariaDb ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS", cancellationToken);
            }

            await pair.FollowAsync(cancellationToken);
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Planned: the old primary refuses writes, the replica is promoted once it has caught up, and the old primary follows it.
    /// </summary>
    public async Task SwitchOverAsync(CancellationToken cancellationToken)
    {
        await ExecuteAsync(Primary, "SET GLOBAL read_only = 1", cancellationToken);
        await CatchUpAsync(cancellationToken);
        await PromoteAsync(cancellationToken);
        await FollowAsync(cancellationToken);
    }

    /// <summary>Promotes the replica with the data that it has.</summary>
    public async Task PromoteAsync(CancellationToken cancellationToken)
    {
        await ExecuteAsync(
            Replica, IsMariaDb ? "STOP SLAVE; RESET SLAVE ALL" : "STOP REPLICA; RESET REPLICA ALL", cancellationToken);
        await ExecuteAsync(Replica, "SET GLOBAL read_only = 0", cancellationToken);
        Array.Reverse(_servers);
        _address.RedirectTo(Primary.Port);
    }

    /// <summary>Stops replication: the replica falls behind.</summary>
    public Task StopFollowingAsync(CancellationToken cancellationToken) =>
        ExecuteAsync(Replica, IsMariaDb ? "STOP SLAVE" : "STOP REPLICA", cancellationToken);

    /// <summary>Waits until the replica has all current commits of the primary.</summary>
    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        var committed = await AskAsync(
            Primary, IsMariaDb ? "SELECT @@GLOBAL.gtid_current_pos" : "SELECT @@GLOBAL.gtid_executed", cancellationToken);
        var wait = IsMariaDb ? "MASTER_GTID_WAIT" : "WAIT_FOR_EXECUTED_GTID_SET";
        if (await AskAsync(Replica, $"SELECT {wait}('{committed}', {CaughtUpWithinSeconds})", cancellationToken) != "0")
        {
            throw new TimeoutException($"The replica has not caught up within {CaughtUpWithinSeconds} s");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _address.DisposeAsync();
        foreach (var server in _servers)
        {
            server.Kill();
            await server.DisposeAsync();
        }
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        var source = new MySqlConnectionStringBuilder(Primary.AdministratorConnectionString);
        await ExecuteAsync(
            Replica,
            IsMariaDb
                ? $"""
                    CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {source.Port}, MASTER_USER = '{source.UserID}',
                      MASTER_PASSWORD = '{source.Password}', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = current_pos;
                    START SLAVE
                    """
                : $"""
                    CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {source.Port}, SOURCE_USER = '{source.UserID}',
                      SOURCE_PASSWORD = '{source.Password}', SOURCE_CONNECT_RETRY = 1, SOURCE_AUTO_POSITION = 1,
                      GET_SOURCE_PUBLIC_KEY = 1;
                    START REPLICA
                    """,
            cancellationToken);
        await ExecuteAsync(Replica, "SET GLOBAL read_only = 1", cancellationToken);
    }

    private static async Task ExecuteAsync(MySqlServer server, string sql, CancellationToken cancellationToken) =>
        _ = await AskAsync(server, sql, cancellationToken);

    private static async Task<string?> AskAsync(MySqlServer server, string sql, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(server.AdministratorConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 2 * CaughtUpWithinSeconds };
        return (await command.ExecuteScalarAsync(cancellationToken))?.ToString();
    }
}
