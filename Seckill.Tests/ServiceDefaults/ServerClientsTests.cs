using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using MySqlConnector;
using RabbitMQ.Client;
using StackExchange.Redis;

namespace Seckill.Tests.ServiceDefaults;

/// <summary>The requirements on both implementations of the clients; compiled and run for the one on this machine.</summary>
[Trait("Category", "Quick")]
public sealed class ServerClientsTests
{
    private const int StartTimeoutMs = 15_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_server_has_a_check_with_the_gravity_that_was_asked_for()
    {
        await using var host = Build();

        var registrations = host.Services.GetRequiredService<IOptions<HealthCheckServiceOptions>>().Value.Registrations;

        Assert.Equal(
            [
                ("Context", HealthStatus.Degraded),
                ("RabbitMQ.Client", HealthStatus.Degraded),
                ("StackExchange.Redis", HealthStatus.Unhealthy),
                ("eviction", HealthStatus.Degraded),
                ("self", HealthStatus.Unhealthy),
            ],
            registrations.Select(check => (check.Name, check.FailureStatus)).OrderBy(check => check.Name, StringComparer.Ordinal));
    }

    [Fact]
    public async Task An_application_starts_and_says_what_is_missing_while_no_server_is_up()
    {
        await using var host = Build();
        var started = Stopwatch.StartNew();

        await host.StartAsync(Token);
        // An unreachable server is not a separate failure of the eviction check.
        var report = await Deadline.UntilAsync(
            () => host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token),
            found => found.Entries["eviction"].Status == HealthStatus.Healthy, Token);

        Assert.InRange(started.ElapsedMilliseconds, 0, StartTimeoutMs);
        Assert.Equal(HealthStatus.Unhealthy, report.Status);
        Assert.Equal(["Context", "RabbitMQ.Client", "StackExchange.Redis"], report.Entries
            .Where(entry => entry.Value.Status != HealthStatus.Healthy).Select(entry => entry.Key).Order(StringComparer.Ordinal));
        await host.StopAsync(Token);
    }

    [Fact]
    public async Task RabbitMQ_connections_do_not_recover_by_themselves_and_carry_the_applications_name()
    {
        await using var host = Build();

        var factory = Assert.IsType<ConnectionFactory>(host.Services.GetRequiredService<IConnectionFactory>());

        Assert.False(factory.AutomaticRecoveryEnabled);
        Assert.Equal("Probe", factory.ClientProvidedName);
        Assert.Equal("somebody", factory.UserName);
    }

    [Fact]
    public async Task Redis_is_waited_for_briefly_and_connected_to_for_ever()
    {
        await using var host = Build();

        var redis = host.Services.GetRequiredService<IConnectionMultiplexer>();

        Assert.False(redis.IsConnected);
        var options = ConfigurationOptions.Parse(redis.Configuration);
        Assert.False(options.AbortOnConnectFail);
        Assert.InRange(options.ConnectTimeout, 1, 5_000);
    }

    [Fact]
    public async Task MySql_retries_nothing_behind_the_callers_back_and_speaks_8_0()
    {
        await using var host = Build();
        await using var scope = host.Services.CreateAsyncScope();

        var database = scope.ServiceProvider.GetRequiredService<Context>().Database;

        Assert.False(database.CreateExecutionStrategy().RetriesOnFailure);
        var connection = new MySqlConnectionStringBuilder(database.GetConnectionString()!);
        Assert.Equal(("seckill", 5u), (connection.Database, connection.ConnectionTimeout));
        Assert.DoesNotContain("RETURNING", database.GenerateCreateScript(), StringComparison.OrdinalIgnoreCase);
    }

    private static WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "Probe" });
        var port = UnusedPort();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["urls"] = "http://127.0.0.1:0",
            ["ConnectionStrings:redis"] = $"127.0.0.1:{port}",
            ["ConnectionStrings:rabbitmq"] = $"amqp://somebody:secret@127.0.0.1:{port}",
            ["ConnectionStrings:mysql"] = $"Server=127.0.0.1;Port={port};User ID=root;Password=x;Database=seckill",
        });
        builder.Logging.ClearProviders();
        builder.AddServiceDefaults();
        builder.AddRedis();
        builder.AddRabbitMQ(HealthStatus.Degraded);
        builder.AddMySql<Context>(HealthStatus.Degraded);
        return builder.Build();
    }

    /// <summary>A port that was free a moment ago: nothing is expected to listen there.</summary>
    private static int UnusedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class Context(DbContextOptions<Context> options) : DbContext(options);
}
