using System.Globalization;
using MySqlConnector;
using RabbitMQ.Client;

namespace Seckill.Tests.LocalServers;

/// <summary>The rights of other users of the machine, and of an attacker in an application, on the private servers.</summary>
public sealed class PrivateServerTests
{
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MySQL_lets_nobody_in_without_a_password_and_the_application_at_its_own_database_only()
    {
        var folder = Directory.CreateTempSubdirectory("seckill-private-");
        try
        {
            var options = new MySqlServerOptions { DataFolder = folder.FullName, WithAdministrator = true };
            await using (var old = await MySqlServer.StartAsync(options, Cancelled))
            {
                // The state that MariaDB's installer and our older versions left.
                await ExecuteAsync(old.AdministratorConnectionString, "CREATE USER 'root'@'127.0.0.1', ''@'%', 'guest'@'localhost'");
                await ExecuteAsync(old.AdministratorConnectionString, "GRANT ALL PRIVILEGES ON *.* TO 'seckill'@'%' WITH GRANT OPTION");
                await ExecuteAsync(old.ConnectionString, "CREATE TABLE kept (id INT PRIMARY KEY)");
            }

            await using var mySql = await MySqlServer.StartAsync(options, Cancelled);

            Assert.Equal("administrator,mariadb.sys,seckill", await AskAsync(mySql.AdministratorConnectionString, """
                SELECT GROUP_CONCAT(DISTINCT user ORDER BY user) FROM
                    (SELECT user FROM mysql.user WHERE user NOT LIKE 'mysql.%' UNION SELECT 'mariadb.sys') all_users
                """));
            foreach (var name in new[] { "root", "", "guest", "mariadb.sys" })
            {
                var open = new MySqlConnectionStringBuilder(mySql.ConnectionString) { UserID = name, Password = "", Database = "" };
                await Assert.ThrowsAsync<MySqlException>(() => AskAsync(open.ConnectionString, "SELECT 1"));
            }

            Assert.Equal("0", await AskAsync(mySql.ConnectionString, "SELECT COUNT(*) FROM kept"));
            foreach (var forbidden in new[]
            {
                "SET GLOBAL general_log_file = '/tmp/written'", "CREATE DATABASE elsewhere", "CREATE DATABASE seckill1",
                "SELECT COUNT(*) FROM mysql.user", "CREATE USER 'other'@'%' IDENTIFIED BY 'other'", "SELECT 1 INTO OUTFILE '/tmp/written'",
            })
            {
                await Assert.ThrowsAsync<MySqlException>(() => AskAsync(mySql.ConnectionString, forbidden));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_server_without_an_administrator_has_the_applications_account_alone()
    {
        await using var mySql = await MySqlServer.StartAsync(new MySqlServerOptions(), Cancelled);

        Assert.Equal("seckill@%", await AskAsync(mySql.ConnectionString, "SELECT CURRENT_USER()"));
        var administrator = new MySqlConnectionStringBuilder(mySql.ConnectionString) { UserID = "administrator" };
        await Assert.ThrowsAsync<MySqlException>(() => AskAsync(administrator.ConnectionString, "SELECT 1"));
        Assert.Throws<InvalidOperationException>(() => mySql.AdministratorConnectionString);
    }

    [Fact]
    public async Task No_other_account_can_read_or_change_what_a_server_writes_and_none_runs_as_root()
    {
        var parent = Directory.CreateTempSubdirectory("seckill-modes-");
        try
        {
            PrivateFile.MakeFolder(parent.FullName);
            var folder = Path.Combine(parent.FullName, "state");
            PrivateFile.MakeFolder(folder);
            await using var redis = await RedisServer.StartAsync(
                new RedisServerOptions { DataFolder = Path.Combine(folder, "data", "redis") }, Cancelled);
            await using var rabbitMq = await RabbitMqServer.StartAsync(
                new RabbitMqServerOptions { DataFolder = Path.Combine(folder, "data", "rabbitmq"), VirtualHosts = ["shop"] }, Cancelled);
            var open = Directory.CreateDirectory(Path.Combine(folder, "data", "mysql", "tmp"));
            if (!OperatingSystem.IsWindows())
            {
                open.UnixFileMode |= Others;
            }

            await using var mySql = await MySqlServer.StartAsync(
                new MySqlServerOptions { DataFolder = Path.Combine(folder, "data", "mysql") }, Cancelled);
            await using (var connection =
                await new ConnectionFactory { Uri = new Uri(rabbitMq.ConnectionString) }.CreateConnectionAsync(Cancelled))
            {
                await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancelled);
                await channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false, cancellationToken: Cancelled);
            }

            // Passing through a folder gives no right to its content; it is for the account that the server runs under.
            var found = new DirectoryInfo(folder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
                // The server sets the modes of these itself, and certificates are public; their folder is closed.
                .Where(entry => entry.LinkTarget is null && entry.Name is not ("mysql.sock" or "mysql.pid")
                    && !entry.Name.EndsWith("cert.pem", StringComparison.Ordinal) && entry.Name is not ("ca.pem" or "public_key.pem"))
                .Where(entry => (entry.UnixFileMode & Others & ~(entry is DirectoryInfo ? UnixFileMode.OtherExecute : 0)) != 0)
                .Select(entry => $"{entry.FullName} {entry.UnixFileMode}");
            Assert.Equal("", string.Join('\n', found));

            if (Environment.GetEnvironmentVariable("SECKILL_SERVERS_ROOT") is { Length: > 0 })
            {
                // Servers in a root of their own run under the account that starts them.
                return;
            }

            Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can start servers under another account");
            foreach (var server in new LocalServer[] { redis, rabbitMq, mySql })
            {
                Assert.NotEqual("root", server.Account);
                Assert.NotEqual(0, UserOf(server.ProcessId));
            }
        }
        finally
        {
            parent.Delete(recursive: true);
        }
    }

    private static int UserOf(int processId) => int.Parse(
        File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1],
        CultureInfo.InvariantCulture);

    private static Task<string?> ExecuteAsync(string connectionString, string sql) => AskAsync(connectionString, sql);

    private static async Task<string?> AskAsync(string connectionString, string sql)
    {
        await using var connection = new MySqlConnection(connectionString + ";Pooling=False");
        await connection.OpenAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToString(await command.ExecuteScalarAsync(Cancelled), CultureInfo.InvariantCulture);
    }
}
