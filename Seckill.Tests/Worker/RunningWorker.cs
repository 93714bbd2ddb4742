using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.Ordering;
using Seckill.Ordering.Store;
using Seckill.OrderWorker;

namespace Seckill.Tests.Worker;

/// <summary>A worker in this process, with everything but the HTTP server.</summary>
internal sealed class RunningWorker : IAsyncDisposable
{
    private readonly IHost _host;

    private RunningWorker(IHost host) => _host = host;

    public static async Task<RunningWorker> StartAsync(
        WorkerServers servers, CancellationToken cancellationToken, Dictionary<string, string?>? settings = null,
        string environment = "Production", Action<IServiceCollection>? replace = null)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = environment });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            // Patient, because this Redis writes every command to disk before it answers.
            ["ConnectionStrings:redis"] = servers.Redis.ConnectionString + ",asyncTimeout=30000",
            ["ConnectionStrings:rabbitmq"] = servers.RabbitMq.ConnectionString,
            ["ConnectionStrings:mysql"] = servers.MySql.ConnectionString,
            ["Worker:RetryDelayMsMax"] = "500",
            ["Logging:LogLevel:Default"] = "Warning",
            ["Logging:LogLevel:Microsoft.EntityFrameworkCore"] = "None",
        });
        builder.Configuration.AddInMemoryCollection(settings ?? []);
        builder.Logging.ClearProviders();
        builder.AddServiceDefaults();
        builder.AddRedis();
        builder.AddRabbitMQ();
        builder.AddMySql<OrderingDbContext>();
        builder.Services.AddOrdering();
        builder.Services.AddMigrations();
        builder.Services.AddOrderWriting();
        replace?.Invoke(builder.Services);
        var worker = new RunningWorker(builder.Build());
        await worker._host.StartAsync(cancellationToken);
        return worker;
    }

    /// <summary>Waits until it consumes orders.</summary>
    public Task ConsumingAsync(CancellationToken cancellationToken) => HealthAsync("consuming", HealthStatus.Healthy, cancellationToken);

    /// <summary>Waits until a health check has that status.</summary>
    public Task HealthAsync(string check, HealthStatus status, CancellationToken cancellationToken) =>
        Deadline.UntilAsync(
            async () => (await CheckAsync(cancellationToken)).Entries[check].Status, now => now == status, cancellationToken);

    /// <summary>Stops it like SIGTERM.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _host.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }

    /// <summary>A health check's current result, with its reason.</summary>
    public async Task<HealthReportEntry> EntryAsync(string check, CancellationToken cancellationToken) =>
        (await CheckAsync(cancellationToken)).Entries[check];

    private Task<HealthReport> CheckAsync(CancellationToken cancellationToken) =>
        _host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => !check.Tags.Contains("live"), cancellationToken);
}
