using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Holding;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using Seckill.Ordering.Unreadable;

namespace Seckill.Ordering;

/// <summary>Shared by the gate and the worker.</summary>
public static class OrderingRegistration
{
    /// <summary>
    /// Adds the ledger, the order ids and the counters of the pulse; needs IConnectionMultiplexer, IConnectionFactory and
    /// OrderingDbContext.
    /// </summary>
    public static IServiceCollection AddOrdering(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<StockLedger>();
        services.AddSingleton<StockRecovery>();
        services.AddSingleton<ClickLookUp>();
        services.AddSingleton<QueueDepths>();
        services.AddSingleton<HeldMessages>();
        services.AddSingleton<UnreadableMessages>();
        services.AddSingleton<PulseCounters>();
        services.AddSingleton<OrderIds>();
        services.AddHostedService(provider => provider.GetRequiredService<OrderIds>());
        return services;
    }

    /// <summary>Makes the instance publish its state about once a second; see <see cref="InstancePulse"/> for the roles.</summary>
    public static IServiceCollection AddPulse(this IServiceCollection services, string role)
    {
        services.AddOptions<PulseOptions>().BindConfiguration(PulseOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        // The pulse checks health every second and logs each change; the framework would log each check of an outage, with its stack trace.
        services.AddLogging(logging => logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None));
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<InstanceCondition>(provider, role));
        services.AddSingleton<IHostedService>(provider => ActivatorUtilities.CreateInstance<PulsePublisher>(provider, role));
        return services;
    }
}
