using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;

namespace Seckill.Ordering;

/// <summary>What the gate and the worker share.</summary>
public static class OrderingRegistration
{
    /// <summary>Adds the ledger and the order ids; needs IConnectionMultiplexer and OrderingDbContext.</summary>
    public static IServiceCollection AddOrdering(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<StockLedger>();
        services.AddSingleton<StockRecovery>();
        services.AddSingleton<OrderIds>();
        services.AddHostedService(provider => provider.GetRequiredService<OrderIds>());
        return services;
    }
}
