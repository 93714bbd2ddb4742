using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.OrderWorker.Migrating;

namespace Seckill.Tests.Worker;

/// <summary>Workers that start at the same moment on an empty server migrate it once and seed it once.</summary>
[Collection(nameof(WorkerServers))]
public sealed class MigratingTests(WorkerServers servers)
{
    private const string Catalogue =
        "SELECT GROUP_CONCAT(CONCAT_WS(':', k.id, k.stock, s.limit_per_user, s.units, s.starts_at > UTC_TIMESTAMP()) ORDER BY k.id) "
        + "FROM product_skus k JOIN seckill_sales s ON s.sku_id = k.id";

    private const string Tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_workers_at_once_make_one_schema_and_one_catalogue()
    {
        var mySql = await NewDatabaseAsync();
        var settings = Settings(mySql);
        var starting = new[]
        {
            RunningWorker.StartAsync(servers, Token, settings, "Development"),
            RunningWorker.StartAsync(servers, Token, settings, "Development"),
        };
        await using var first = await starting[0];
        await using var second = await starting[1];
        await first.HealthAsync("migrated", HealthStatus.Healthy, Token);
        await second.HealthAsync("migrated", HealthStatus.Healthy, Token);

        Assert.Equal("1001:100:1:100:0,1002:50:2:50:0,1003:10000:1:10000:0,1004:200:1:200:1", await AskAsync(mySql, Catalogue));
    }

    [Fact]
    public async Task A_process_that_only_migrates_ends_with_exit_code_0_and_knows_no_other_server()
    {
        var mySql = await NewDatabaseAsync();
        var output = new List<string>();
        using var worker = await LocalService.StartAsync(
            "order-worker",
            "Seckill.OrderWorker",
            $"http://127.0.0.1:{LoopbackPorts.Take()}",
            new Dictionary<string, string> { ["ConnectionStrings__mysql"] = mySql },
            line =>
            {
                lock (output)
                {
                    output.Add(line);
                }
            },
            MigrateOnly.Switch);

        var exitCode = await worker.Exited.WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), Token);

        lock (output)
        {
            Assert.True(exitCode == 0, string.Join('\n', output));
        }

        Assert.Equal(1_024L, await AskAsync(mySql, "SELECT COUNT(*) FROM snowflake_nodes"));
    }

    [Fact]
    public async Task A_process_that_only_migrates_gives_up_in_time_and_says_why()
    {
        var mySql = new MySqlConnectionStringBuilder(await NewDatabaseAsync()) { Password = "wrong" };
        var log = new LogLines();
        var builder = Migration(mySql.ConnectionString, new() { ["Worker:MigrateOnlySecondsMax"] = "10" });
        builder.Logging.AddProvider(log);

        Assert.Equal(1, await MigrateOnly.RunAsync(builder, Token));

        var last = Assert.Single(log.Lines, line => line.Level == LogLevel.Critical);
        Assert.Matches("^MySQL could not be migrated within 10 s: Access denied for user", last.Text);
    }

    [Fact]
    public async Task A_worker_that_never_migrates_waits_unhealthy_with_its_reason_until_the_schema_is_there()
    {
        var mySql = await NewDatabaseAsync();
        var settings = Settings(mySql);
        settings["Worker:Migrations"] = "never";
        await using var worker = await RunningWorker.StartAsync(servers, Token, settings);

        var waiting = await Deadline.UntilAsync(
            () => worker.EntryAsync("migrated", Token), entry => entry.Description?.Contains(':') is true, Token);
        Assert.Equal(HealthStatus.Unhealthy, waiting.Status);
        Assert.Matches("^migrations not applied yet: the schema lacks .*_Route, .*, and this worker never migrates", waiting.Description);
        Assert.Equal(HealthStatus.Unhealthy, (await worker.EntryAsync("consuming", Token)).Status);

        Assert.Equal(0, await MigrateOnly.RunAsync(Migration(mySql, []), Token));

        await worker.HealthAsync("migrated", HealthStatus.Healthy, Token);
        await worker.ConsumingAsync(Token);
    }

    [Fact]
    public async Task A_worker_that_never_migrates_makes_no_table()
    {
        var mySql = await NewDatabaseAsync();
        await AskAsync(servers.MySql.ConnectionString, $"CREATE DATABASE {new MySqlConnectionStringBuilder(mySql).Database}");
        var settings = Settings(mySql);
        settings["Worker:Migrations"] = "never";
        await using var worker = await RunningWorker.StartAsync(servers, Token, settings);

        await Deadline.UntilAsync(() => worker.EntryAsync("migrated", Token), entry => entry.Description?.Contains(':') is true, Token);

        Assert.Equal(0L, await AskAsync(mySql, Tables));
    }

    [Fact]
    public async Task The_applications_account_works_and_can_add_to_the_audit_alone()
    {
        var own = new MySqlConnectionStringBuilder(await NewDatabaseAsync());
        var account = $"app_{Guid.NewGuid():N}"[..20];
        await AskAsync(servers.MySql.AdministratorConnectionString, $"CREATE USER '{account}'@'%' IDENTIFIED BY 'application'");
        var administrator = new MySqlConnectionStringBuilder(servers.MySql.AdministratorConnectionString) { Database = own.Database };
        var granting = new Dictionary<string, string?> { ["Worker:ApplicationAccount"] = $"{account}@%" };
        Assert.Equal(0, await MigrateOnly.RunAsync(Migration(administrator.ConnectionString, granting), Token));
        (own.UserID, own.Password) = (account, "application");

        const string Entry = "INSERT INTO ops_audit (at, operator, action, target, detail, trace_id) VALUES (NOW(), '1', 'a', 't', '', '')";
        await AskAsync(own.ConnectionString, Entry + "; INSERT INTO ops_audit_outcomes VALUES (LAST_INSERT_ID(), NOW(), 200, '')");
        Assert.Equal(1L, await AskAsync(own.ConnectionString, "SELECT COUNT(*) FROM ops_audit JOIN ops_audit_outcomes ON entry_id = id"));
        foreach (var forbidden in new[]
        {
            "UPDATE ops_audit SET operator = '2'", "DELETE FROM ops_audit", "TRUNCATE ops_audit", "DROP TABLE ops_audit",
            "UPDATE ops_audit_outcomes SET status = 500", "DELETE FROM ops_audit_outcomes", "ALTER TABLE ops_audit ADD more INT",
            "DELETE FROM __EFMigrationsHistory",
        })
        {
            var refused = await Assert.ThrowsAsync<MySqlException>(() => AskAsync(own.ConnectionString, forbidden));
            Assert.Equal(MySqlErrorCode.TableAccessDenied, refused.ErrorCode);
        }

        var settings = Settings(own.ConnectionString);
        settings["Worker:Migrations"] = "never";
        await using var worker = await RunningWorker.StartAsync(servers, Token, settings);
        await worker.HealthAsync("migrated", HealthStatus.Healthy, Token);
        await worker.ConsumingAsync(Token);
    }

    [Theory]
    [InlineData("Worker:Migrations", "7")]
    [InlineData("Worker:ApplicationAccount", "seckill'@'%")]
    [InlineData("Worker:MigrateOnlySecondsMax", "0")]
    public async Task Settings_out_of_range_are_refused_at_start(string key, string value)
    {
        var settings = Settings(await NewDatabaseAsync());
        settings[key] = value;

        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => RunningWorker.StartAsync(servers, Token, settings));

        Assert.Contains(key[(key.IndexOf(':') + 1)..], error.Message);
    }

    private static HostApplicationBuilder Migration(string mySql, Dictionary<string, string?> settings)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(Settings(mySql));
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.ClearProviders();
        return builder;
    }

    private static Dictionary<string, string?> Settings(string mySql) => new() { ["ConnectionStrings:mysql"] = mySql };

    /// <summary>A database that does not exist yet; the application's account may create it.</summary>
    private async Task<string> NewDatabaseAsync()
    {
        var name = $"migrating_{Guid.NewGuid():N}";
        await servers.MySql.AddDatabaseAsync(name, Token);
        return servers.MySql.ConnectionStringOf(name);
    }

    private static async Task<object?> AskAsync(string mySql, string sql)
    {
        await using var connection = new MySqlConnection(mySql + ";Pooling=False");
        await connection.OpenAsync(Token);
        await using var command = new MySqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Token);
    }
}
