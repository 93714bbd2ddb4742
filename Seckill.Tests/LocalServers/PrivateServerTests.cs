using System.Globalization;
using MySqlConnector;

namespace Seckill.Tests.LocalServers;

/// <summary>The rights of strangers, and of an attacker in an application, on the private MySQL.</summary>
public sealed class PrivateServerTests
{
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

            // The given folder has outlived the instance.
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

    private static Task<string?> ExecuteAsync(string connectionString, string sql) => AskAsync(connectionString, sql);

    private static async Task<string?> AskAsync(string connectionString, string sql)
    {
        await using var connection = new MySqlConnection(connectionString + ";Pooling=False");
        await connection.OpenAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToString(await command.ExecuteScalarAsync(Cancelled), CultureInfo.InvariantCulture);
    }
}
