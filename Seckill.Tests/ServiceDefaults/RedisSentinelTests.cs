using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.Tests.Worker;
using StackExchange.Redis;

namespace Seckill.Tests.ServiceDefaults;

/// <summary>Redis behind a real Sentinel.</summary>
public sealed class RedisSentinelTests
{
    private const string RedisCheck = "StackExchange.Redis";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_application_starts_without_a_Sentinel_says_so_once_and_connects_when_one_answers()
    {
        await using var redis = await RedisSentinel.StartAsync(Token);
        var log = new LogLines();
        await using var host = await StartAsync(redis, log);
        var seen = new HashSet<TimeSpan>();
        await Deadline.UntilAsync(
            async () =>
            {
                var entry = await EntryAsync(host);
                Assert.Equal(HealthStatus.Unhealthy, entry.Status);
                seen.Add(entry.Duration);
                return seen.Count;
            }, checks => checks >= 5, Token);

        await redis.StartSentinelAsync(Token);
        await Deadline.UntilAsync(() => EntryAsync(host), entry => entry.Status == HealthStatus.Healthy, Token);

        // Once for each change: on a busy machine, a Sentinel may be too slow for a while.
        var master = $"Sentinel: the master of mymaster is 127.0.0.1:{redis.Master.Port}";
        var isFound = log.Lines.Select(line => line.Text)
            .Where(text => text == master || text.Contains("No Sentinel", StringComparison.Ordinal))
            .Select(text => text == master)
            .ToArray();
        Assert.False(isFound[0]);
        Assert.Contains(true, isFound);
        Assert.DoesNotContain(isFound.Zip(isFound.Skip(1)), pair => pair.First == pair.Second);
    }

    [Fact]
    public async Task An_application_goes_on_with_the_new_master_after_a_fail_over()
    {
        await using var redis = await RedisSentinel.StartAsync(Token);
        await redis.StartSentinelAsync(Token);
        await using var host = await StartAsync(redis, new LogLines());
        await Deadline.UntilAsync(() => EntryAsync(host), entry => entry.Status == HealthStatus.Healthy, Token);
        var database = host.Services.GetRequiredService<IConnectionMultiplexer>().GetDatabase();
        var heard = 0;
        await host.Services.GetRequiredService<IConnectionMultiplexer>().GetSubscriber()
            .SubscribeAsync(RedisChannel.Literal("news"), (_, _) => Interlocked.Increment(ref heard));

        redis.Master.Kill();
        await Deadline.UntilAsync(() => EntryAsync(host), entry => entry.Status == HealthStatus.Unhealthy, Token);
        await Deadline.UntilAsync(() => EntryAsync(host), entry => entry.Status == HealthStatus.Healthy, Token);

        await database.StringSetAsync("key", "written on the new master");
        await using var replica = await ConnectionMultiplexer.ConnectAsync(redis.Replica.ConnectionString + ",connectTimeout=30000");
        Assert.Equal("written on the new master", await replica.GetDatabase().StringGetAsync("key"));
        await Deadline.UntilAsync(
            async () =>
            {
                await database.PublishAsync(RedisChannel.Literal("news"), "news");
                return heard;
            }, count => count > 0, Token);
    }

    private static async Task<HealthReportEntry> EntryAsync(WebApplication host) =>
        (await host.Services.GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(check => check.Name == RedisCheck, Token)).Entries[RedisCheck];

    private static async Task<WebApplication> StartAsync(RedisSentinel redis, LogLines log)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Configuration["ConnectionStrings:redis"] = redis.ConnectionString;
        builder.Logging.ClearProviders().AddProvider(log);
        builder.AddServiceDefaults();
        builder.AddRedis();
        var host = builder.Build();
        await host.StartAsync(Token);
        return host;
    }
}
