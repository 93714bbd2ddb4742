using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.Api.Catalogue;
using Seckill.Api.Gate;
using Seckill.Api.MissingOrders;
using Seckill.Api.Publishing;
using Seckill.Api.Push;
using Seckill.Api.Reconciliation;
using Seckill.Api.Retention;
using Seckill.Api.Snapshots;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ids;

namespace Seckill.Api;

/// <summary>
/// The stages of an order's route, each with its options validated at start. Hosted services stop in reverse order: the publisher outlives
/// the gate.
/// </summary>
internal static class Registration
{
    public static IServiceCollection AddCatalogue(this IServiceCollection services)
    {
        services.AddOptions<CatalogueOptions>().BindConfiguration(CatalogueOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<OfferRecorder>();
        services.AddHosted<SaleCatalogue>();
        services.AddSingleton<SaleListings>();
        return services;
    }

    public static IServiceCollection AddPublishing(this IServiceCollection services)
    {
        services.AddOptions<PublishOptions>().BindConfiguration(PublishOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<SalesGone>();
        services.AddHosted<OutboxConfirmations>();
        services.AddSingleton<PublishingHealth>();
        services.AddHealthChecks().AddCheck<PublishingHealth>(PublishingHealth.Name);
        services.AddHosted<OrderPublisher>();
        services.AddHosted<OutboxSweeper>();
        return services;
    }

    public static IServiceCollection AddGate(this IServiceCollection services)
    {
        services.AddOptions<GateOptions>().BindConfiguration(GateOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<GateLanes>();
        services.AddSingleton<OrderGate>();
        services.AddHosted<OutcomeListener>();
        services.AddSingleton<QueueDrain>();
        services.AddSingleton<BuyerRestore>();
        services.AddSingleton<ClickRestore>();
        services.AddMissingOrders();
        services.AddSingleton<LockedLoad>();
        services.AddSingleton<StockLoad>();
        services.AddSingleton<StockWarmUp>();
        services.AddHosted<StockLoader>();
        services.AddHealthChecks().AddCheck<GateHealthCheck>("gate");
        return services;
    }

    public static IServiceCollection AddPush(this IServiceCollection services)
    {
        services.AddOptions<PushOptions>().BindConfiguration(PushOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<OutcomeHub>();
        services.AddSingleton<OutcomeFeed>();
        return services;
    }

    public static IServiceCollection AddRetention(this IServiceCollection services)
    {
        services.AddOptions<RetentionOptions>().BindConfiguration(RetentionOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<RetentionPass>();
        services.AddHosted<RetentionJob>();
        return services;
    }

    public static IServiceCollection AddReconciliation(this IServiceCollection services)
    {
        services.AddOptions<ReconciliationOptions>().BindConfiguration(ReconciliationOptions.Section).ValidateDataAnnotations()
            .ValidateOnStart();
        services.AddSingleton<ReconciliationReader>();
        services.AddSingleton<SkuSnapshotReader>();
        services.AddSingleton<QueueWatch>();
        services.AddSingleton<BrokerView>();
        services.AddSingleton<OrderRoute>();
        services.AddSingleton<StuckOrders>();
        services.AddSingleton<SkuReconciler>();
        services.AddHosted<Reconciler>();
        return services;
    }

    private static void AddMissingOrders(this IServiceCollection services)
    {
        services.AddOptions<MissingOrderOptions>().BindConfiguration(MissingOrderOptions.Section).ValidateDataAnnotations()
            .ValidateOnStart();
        services.AddSingleton<MissingOrderSearch>();
        services.AddSingleton<LoadGuard>();
        services.AddSingleton<LossWatch>();
    }

    private static void AddHosted<T>(this IServiceCollection services) where T : class, IHostedService
    {
        services.AddSingleton<T>();
        services.AddHostedService(provider => provider.GetRequiredService<T>());
    }
}

/// <summary>Healthy when the sales have been read and order ids can be generated.</summary>
internal sealed class GateHealthCheck(SaleCatalogue catalogue, OrderIds ids) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(
            !catalogue.Loaded ? HealthCheckResult.Unhealthy("the sales have not been read from MySQL yet")
            : !ids.Ready ? HealthCheckResult.Unhealthy("no Snowflake node is leased yet")
            : catalogue.Unreadable.FirstOrDefault() is { Key: not 0 } bad
                ? HealthCheckResult.Degraded($"{catalogue.Unreadable.Count} sales cannot be read, including SKU {bad.Key}: {bad.Value}")
            : HealthCheckResult.Healthy());
}
