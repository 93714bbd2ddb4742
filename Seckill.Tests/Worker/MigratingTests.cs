using Microsoft.Extensions.Diagnostics.HealthChecks;
using MySqlConnector;

namespace Seckill.Tests.Worker;

/// <summary>Workers that start at the same moment on an empty server migrate it once and seed it once.</summary>
[Collection(nameof(WorkerServers))]
public sealed class MigratingTests(WorkerServers servers)
{
    [Fact]
    public async Task Two_workers_at_once_make_one_schema_and_one_catalogue()
    {
        var cancelled = TestContext.Current.CancellationToken;
        var mySql = new MySqlConnectionStringBuilder(servers.MySql.ConnectionString) { Database = $"migrating_{Guid.NewGuid():N}" };
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:mysql"] = mySql.ConnectionString };
        var starting = new[]
        {
            RunningWorker.StartAsync(servers, cancelled, settings, "Development"), RunningWorker.StartAsync(servers, cancelled, settings, "Development"),
        };
        await using var first = await starting[0];
        await using var second = await starting[1];
        await first.HealthAsync("migrated", HealthStatus.Healthy, cancelled);
        await second.HealthAsync("migrated", HealthStatus.Healthy, cancelled);

        await using var connection = new MySqlConnection(mySql.ConnectionString);
        await connection.OpenAsync(cancelled);
        await using var command = new MySqlCommand(
            "SELECT GROUP_CONCAT(CONCAT_WS(':', k.id, k.stock, s.limit_per_user, s.units, s.starts_at > UTC_TIMESTAMP()) ORDER BY k.id) "
            + "FROM product_skus k JOIN seckill_sales s ON s.sku_id = k.id", connection);
        Assert.Equal("1001:100:1:100:0,1002:50:2:50:0,1003:10000:1:10000:0,1004:200:1:200:1", await command.ExecuteScalarAsync(cancelled));
    }
}
