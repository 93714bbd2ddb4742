using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Seckill.OrderWorker.Consuming;
using Seckill.OrderWorker.DeadLetters;
using Seckill.OrderWorker.Members;
using Seckill.OrderWorker.Migrating;
using Seckill.OrderWorker.Parking;
using Seckill.OrderWorker.Settling;
using Seckill.OrderWorker.Writing;

namespace Seckill.OrderWorker;

/// <summary>The worker's parts, one method for each feature.</summary>
internal static class Registration
{
    /// <summary>Brings MySQL's schema up to date at start, or waits for it; health check <c>migrated</c>.</summary>
    public static IServiceCollection AddMigrations(this IServiceCollection services)
    {
        services.AddWorkerOptions();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<Migrator>();
        services.AddHostedService(provider => provider.GetRequiredService<Migrator>());
        services.AddHealthChecks().AddCheck<MigratedHealthCheck>("migrated");
        return services;
    }

    /// <summary>Queue to MySQL to Redis; health checks <c>consuming</c>, <c>writing</c>, <c>acking</c> and <c>queue members</c>.</summary>
    public static IServiceCollection AddOrderWriting(this IServiceCollection services)
    {
        services.AddWorkerOptions();
        services.AddSingleton<WorkerHealth>();
        services.AddSingleton<BatchTransaction>();
        services.AddSingleton<StoreProbe>();
        services.AddSingleton<OrderParking>();
        services.AddSingleton<BatchWriter>();
        services.AddSingleton<OfferRecall>();
        services.AddSingleton<OrderSettler>();
        services.AddSingleton<DeadLetterPublisher>();
        services.AddSingleton<BatchPipeline>();
        services.AddSingleton<TransactionShare>();
        services.AddHostedService(provider => provider.GetRequiredService<TransactionShare>());
        services.AddHostedService<OrderPump>();
        services.AddHostedService<HoldingReport>();
        services.AddHttpClient(QueueMembersHealthCheck.Name);
        services.AddSingleton<QueueMembersHealthCheck>();
        services.AddHealthChecks()
            .AddCheck<ConsumingHealthCheck>("consuming")
            .AddCheck<WritingHealthCheck>("writing")
            .AddCheck<AckingHealthCheck>("acking")
            .AddCheck<QueueMembersHealthCheck>(QueueMembersHealthCheck.Name, HealthStatus.Healthy);

        // The host must not stop before the current batch is finished.
        services.AddOptions<HostOptions>().Configure<IOptions<WorkerOptions>>((host, worker) =>
            host.ShutdownTimeout = TimeSpan.FromMilliseconds(worker.Value.ShutdownTimeoutMs * 1.5));
        return services;
    }

    private static void AddWorkerOptions(this IServiceCollection services) =>
        services.AddOptions<WorkerOptions>()
            .BindConfiguration(WorkerOptions.Section)
            .ValidateDataAnnotations()
            .Validate(
                options => options.PrefetchCountMax >= 2 * options.BatchSizeMax,
                "Worker:PrefetchCountMax must be at least twice Worker:BatchSizeMax: one batch gathers while another is written.")
            .Validate(
                options => options.ManagementUrl.Length == 0 || (Uri.TryCreate(options.ManagementUrl, UriKind.Absolute, out var url)
                    && url is { Scheme: "http" or "https", Query: "" }),
                "Worker:ManagementUrl must be an address such as http://host:15672 or https://user:password@host/path.")
            .ValidateOnStart();
}
