using System.Diagnostics.Metrics;
using Seckill.Api.Errors;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Limits;

/// <summary>
/// The limits in the order in which they apply to a request: its address (before authentication), its buyer (after), its buyer across all
/// instances if enabled, and for an order the places of <see cref="PurchaseSlots"/>. All but the shared one use only memory. The windows of
/// address and buyer hold nothing while a request runs, so they need no lease and no asynchronous middleware, which saves processor time.
/// </summary>
internal static class LimitRegistration
{
    private static readonly ErrorResult TooMany = ErrorResult.TooManyRequests(1);

    private static readonly Counter<long> Refusals = OrderingTelemetry.Meter.CreateCounter<long>(
        "seckill.limited", "{request}", "Requests refused because one sender sends too many, by limit.");

    public static IServiceCollection AddLimits(this IServiceCollection services)
    {
        services.AddOptions<LimitOptions>().BindConfiguration(LimitOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<AddressLimiter>();
        services.AddSingleton<UserLimiter>();
        services.AddSingleton<SharedUserLimit>();
        services.AddSingleton<PurchaseSlots>();
        return services;
    }

    /// <summary>Must precede authentication.</summary>
    public static IApplicationBuilder UseFrontLimits(this IApplicationBuilder app)
    {
        var address = app.ApplicationServices.GetRequiredService<AddressLimiter>();
        return app.Use(next => http => address.TryTake(http) ? next(http) : RefuseAsync(http, "address"));
    }

    /// <summary>Must be between authentication and authorization.</summary>
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

    /// <summary>The response to a buyer who has too many orders in progress.</summary>
    public static ErrorResult TooManyAtOnce()
    {
        Count("user_at_once");
        return TooMany;
    }

    /// <summary>The response to a buyer who has sent too many orders to all instances together.</summary>
    public static ErrorResult TooManyShared(int retryAfterSeconds)
    {
        Count("user_shared");
        return ErrorResult.TooManyRequests(retryAfterSeconds);
    }

    private static Task RefuseAsync(HttpContext http, string limit)
    {
        Count(limit);
        return TooMany.ExecuteAsync(http);
    }

    private static void Count(string limit) => Refusals.Add(1, new KeyValuePair<string, object?>("limit", limit));
}
