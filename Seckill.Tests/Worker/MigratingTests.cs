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
        var mySql = NewDatabase();
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
        var mySql = NewDatabase();
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
        var mySql = new MySqlConnectionStringBuilder(NewDatabase()) { Password = "wrong" };
        var log = new LogLines();
        var builder = Migration(mySql.ConnectionString, new() { ["Worker:MigrateOnlySecondsMax"] = "2" });
        builder.Logging.AddProvider(log);

        Assert.Equal(1, await MigrateOnly.RunAsync(builder, Token));

        var last = Assert.Single(log.Lines, line => line.Level == LogLevel.Critical);
        Assert.Matches("^MySQL could not be migrated within 2 s: Access denied for user", last.Text);
    }

    [Fact]
    public async Task A_worker_that_never_migrates_waits_unhealthy_with_its_reason_until_the_schema_is_there()
    {
        var mySql = NewDatabase();
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
        var mySql = NewDatabase();
        await AskAsync(servers.MySql.ConnectionString, $"CREATE DATABASE {new MySqlConnectionStringBuilder(mySql).Database}");
        var settings = Settings(mySql);
        settings["Worker:Migrations"] = "never";
        await using var worker = await RunningWorker.StartAsync(servers, Token, settings);

        await Deadline.UntilAsync(() => worker.EntryAsync("migrated", Token), entry => entry.Description?.Contains(':') is true, Token);

        Assert.Equal(0L, await AskAsync(mySql, Tables));
    }

    [Theory]
    [InlineData("Worker:Migrations", "7")]
    [InlineData("Worker:MigrateOnlySecondsMax", "0")]
    public async Task Settings_out_of_range_are_refused_at_start(string key, string value)
    {
        var settings = Settings(NewDatabase());
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

    private string NewDatabase() =>
        new MySqlConnectionStringBuilder(servers.MySql.ConnectionString) { Database = $"migrating_{Guid.NewGuid():N}" }.ConnectionString;

    private static async Task<object?> AskAsync(string mySql, string sql)
    {
        await using var connection = new MySqlConnection(mySql + ";Pooling=False");
        await connection.OpenAsync(Token);
        await using var command = new MySqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Token);
    }
}
