using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Seckill.Tests.ServiceDefaults;

/// <summary>The Redis health check: only masters count, and they must accept a write.</summary>
public sealed class RedisHealthTests
{
    private const string RedisCheck = "StackExchange.Redis";
    private const string EvictionCheck = "eviction";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_replica_that_is_down_changes_nothing_and_a_master_that_is_down_does()
    {
        await using var master = await RedisServer.StartAsync(new RedisServerOptions(), Token);
        await using var replica = await RedisServer.StartAsync(
            new RedisServerOptions
            {
                Password = master.ConnectionString.Split("password=")[1],
                ExtraArguments =
                    ["--replicaof", "127.0.0.1", $"{master.Port}", "--masterauth", master.ConnectionString.Split("password=")[1]],
            }, Token);
        await using var host = await StartAsync($"127.0.0.1:{replica.Port},{master.ConnectionString}");
        await UntilAsync(host, HealthStatus.Healthy);

        replica.Kill();
        await replica.Exited.WaitAsync(Token);
        await StaysAsync(host, HealthStatus.Healthy);

        await replica.RestartAsync(Token);
        master.Kill();
        await UntilAsync(host, HealthStatus.Unhealthy);
    }

    [Fact]
    public async Task A_server_that_refuses_writes_is_not_healthy()
    {
        await using var redis = await RedisServer.StartAsync(new RedisServerOptions(), Token);
        await using var host = await StartAsync(redis.ConnectionString + ",allowAdmin=true");
        await UntilAsync(host, HealthStatus.Healthy);
        var connection = host.Services.GetRequiredService<StackExchange.Redis.IConnectionMultiplexer>();

        await connection.GetServers()[0].ConfigSetAsync("maxmemory", "1");
        await UntilAsync(host, HealthStatus.Unhealthy, says: "OOM");

        await connection.GetServers()[0].ConfigSetAsync("maxmemory", "0");
        await UntilAsync(host, HealthStatus.Healthy);
    }

    [Fact]
    public async Task A_server_that_may_evict_orders_degrades_and_one_that_does_not_say_is_no_failure()
    {
        await using var redis = await RedisServer.StartAsync(new RedisServerOptions(), Token);
        await using var host = await StartAsync(redis.ConnectionString + ",allowAdmin=true");
        await UntilAsync(host, HealthStatus.Healthy, EvictionCheck);
        var server = host.Services.GetRequiredService<StackExchange.Redis.IConnectionMultiplexer>().GetServers()[0];

        await server.ConfigSetAsync("maxmemory", "100mb");
        await server.ConfigSetAsync("maxmemory-policy", "volatile-lru");
        await UntilAsync(host, HealthStatus.Degraded, EvictionCheck, "maxmemory-policy noeviction, not volatile-lru");
        await UntilAsync(host, HealthStatus.Healthy);

        // Without a memory limit nothing is evicted.
        await server.ConfigSetAsync("maxmemory", "0");
        await UntilAsync(host, HealthStatus.Healthy, EvictionCheck);

        await server.ConfigSetAsync("maxmemory", "100mb");
        await server.ExecuteAsync("ACL", "SETUSER", "silent", "on", ">secret", "~*", "&*", "+@all", "-info", "-config");
        await using var silent = await StartAsync($"127.0.0.1:{redis.Port},user=silent,password=secret");
        await UntilAsync(silent, HealthStatus.Healthy);
        await UntilAsync(silent, HealthStatus.Healthy, EvictionCheck, "do not report");
    }

    [Fact]
    public async Task One_shard_of_several_that_is_away_is_no_reason_to_send_everybody_away()
    {
        await using var cluster = await RedisCluster.StartAsync(Token);
        await using var host = await StartAsync(cluster.ConnectionString);
        await UntilAsync(host, HealthStatus.Healthy);
        await UntilAsync(host, HealthStatus.Healthy, EvictionCheck);

        await using (var second = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync(
            cluster.Masters[1].ConnectionString + ",allowAdmin=true,connectTimeout=30000"))
        {
            var server = second.GetServer("127.0.0.1", cluster.Masters[1].Port);
            await server.ConfigSetAsync("maxmemory", "100mb");
            await server.ConfigSetAsync("maxmemory-policy", "volatile-lru");
        }

        await UntilAsync(host, HealthStatus.Degraded, EvictionCheck, $":{cluster.Masters[1].Port} evicts");

        cluster.Masters[1].Pause();
        await UntilAsync(host, HealthStatus.Degraded, says: $"{cluster.Masters[1].Port}");

        cluster.Masters[1].Continue();
        await UntilAsync(host, HealthStatus.Healthy);
    }

    /// <summary>Waits for a status for the given reason: a check that ran out of time has a status too.</summary>
    private static Task<HealthReportEntry> UntilAsync(
        WebApplication host, HealthStatus status, string check = RedisCheck, string says = "") =>
        Deadline.UntilAsync(
            () => EntryAsync(host, check),
            entry => entry.Status == status && (entry.Description ?? "").Contains(says, StringComparison.Ordinal), Token);

    /// <summary>Waits for as many checks as would have detected it. One that ran out of time was slow, and says nothing.</summary>
    private static async Task StaysAsync(WebApplication host, HealthStatus status)
    {
        var seen = new HashSet<TimeSpan>();
        await Deadline.UntilAsync(
            async () =>
            {
                var entry = await EntryAsync(host, RedisCheck);
                if (entry.Exception is not (TimeoutException or OperationCanceledException))
                {
                    Assert.Equal(status, entry.Status);
                    seen.Add(entry.Duration);
                }

                return seen.Count;
            }, checks => checks >= 5, Token);
    }

    private static async Task<HealthReportEntry> EntryAsync(WebApplication host, string name) =>
        (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Name == name, Token)).Entries[name];

    private static async Task<WebApplication> StartAsync(string connectionString)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Configuration["ConnectionStrings:redis"] = connectionString;
        builder.Logging.ClearProviders();
        builder.AddServiceDefaults();
        builder.AddRedis();
        var host = builder.Build();
        await host.StartAsync(Token);
        return host;
    }
}
