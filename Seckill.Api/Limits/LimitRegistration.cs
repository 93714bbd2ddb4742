using System.Diagnostics.Metrics;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Seckill.Api.Errors;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Limits;

/// <summary>
/// The limits in the order in which a request meets them: its address and the orders in flight (before authentication), its buyer (after),
/// and, when switched on, its buyer over all instances. All but the last are memory only. The windows of address and buyer hold nothing for
/// the length of a request, so they need no lease and no asynchronous middleware of their own; that and short security headers took 5 to 10
/// % off the Api's processor time for an answer.
/// </summary>
internal static class LimitRegistration
{
    private static readonly ErrorResult TooMany = ErrorResult.TooManyRequests(1);

    private static readonly Counter<long> Refusals = OrderingTelemetry.Meter.CreateCounter<long>(
        "seckill.limited", "{request}", "Requests refused because one sender asks too much, by limit.");

    public static IServiceCollection AddLimits(this IServiceCollection services)
    {
        services.AddOptions<LimitOptions>().BindConfiguration(LimitOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddRateLimiter(_ => { });
        services.AddSingleton<AddressLimiter>();
        services.AddSingleton<UserLimiter>();
        services.AddSingleton<SharedUserLimit>();
        return services;
    }

    /// <summary>Goes before authentication.</summary>
    public static IApplicationBuilder UseFrontLimits(this IApplicationBuilder app)
    {
        var options = app.ApplicationServices.GetRequiredService<IOptions<LimitOptions>>().Value;
        var address = app.ApplicationServices.GetRequiredService<AddressLimiter>();
        app.Use(next => http => address.TryTake(http) ? next(http) : RefuseAsync(http, "address"));
        return options.PurchasesInFlightMax == 0 ? app : app.UseRateLimiter(new RateLimiterOptions
        {
            GlobalLimiter = InFlight(options),
            OnRejected = static async (context, _) => await ErrorResult.Busy.ExecuteAsync(context.HttpContext),
        });
    }

    /// <summary>Goes between authentication and authorization.</summary>
    public static IApplicationBuilder UseUserLimits(this IApplicationBuilder app)
    {
        var user = app.ApplicationServices.GetRequiredService<UserLimiter>();
        return app.Use(next => http => user.TryTake(http) ? next(http) : RefuseAsync(http, "user"));
    }

    /// <summary>Counts the endpoint's requests as orders.</summary>
    public static RouteHandlerBuilder LimitPurchases(this RouteHandlerBuilder route, IServiceProvider services)
    {
        var shared = services.GetRequiredService<SharedUserLimit>();
        if (shared.Enabled)
        {
            route.AddEndpointFilter(shared.FilterAsync);
        }

        return route.WithMetadata(new RequestKindMetadata(RequestKind.Purchase)).ProducesErrors(StatusCodes.Status429TooManyRequests);
    }

    /// <summary>Counts the endpoint's requests as queries.</summary>
    public static RouteHandlerBuilder LimitQueries(this RouteHandlerBuilder route) =>
        route.WithMetadata(new RequestKindMetadata(RequestKind.Query)).ProducesErrors(StatusCodes.Status429TooManyRequests);

    private static PartitionedRateLimiter<HttpContext> InFlight(LimitOptions options) =>
        PartitionedRateLimiter.Create<HttpContext, bool>(http =>
            http.GetEndpoint()?.Metadata.GetMetadata<RequestKindMetadata>()?.Kind == RequestKind.Purchase
                ? RateLimitPartition.GetConcurrencyLimiter(true, _ => new ConcurrencyLimiterOptions
                {
                    PermitLimit = options.PurchasesInFlightMax,
                    QueueLimit = options.PurchasesWaitingMax,
                    QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
                })
                : RateLimitPartition.GetNoLimiter(false));

    private static Task RefuseAsync(HttpContext http, string limit)
    {
        Refusals.Add(1, new KeyValuePair<string, object?>("limit", limit));
        return TooMany.ExecuteAsync(http);
    }
}
