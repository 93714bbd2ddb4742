using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Seckill.Api.Errors;

namespace Seckill.Api.Limits;

/// <summary>
/// The limits in the order in which a request meets them: its address and the orders in flight (before authentication), its buyer (after),
/// and, when switched on, its buyer over all instances. All but the last are memory only.
/// </summary>
internal static class LimitRegistration
{
    private static readonly ErrorResult TooMany = ErrorResult.TooManyRequests(1);

    public static IServiceCollection AddLimits(this IServiceCollection services)
    {
        services.AddOptions<LimitOptions>().BindConfiguration(LimitOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddRateLimiter(_ => { });
        services.AddSingleton<AddressLimiter>();
        services.AddSingleton<UserLimiter>();
        services.AddSingleton<SharedUserLimit>();
        services.AddSingleton<PurchaseTokens>();
        return services;
    }

    /// <summary>Goes before authentication.</summary>
    public static IApplicationBuilder UseFrontLimits(this IApplicationBuilder app)
    {
        var options = app.ApplicationServices.GetRequiredService<IOptions<LimitOptions>>().Value;
        var address = app.ApplicationServices.GetRequiredService<AddressLimiter>();
        return app.UseRateLimiter(OptionsFor(
            options.PurchasesInFlightMax == 0 ? address : PartitionedRateLimiter.CreateChained(address, InFlight(options))));
    }

    /// <summary>Goes between authentication and authorization.</summary>
    public static IApplicationBuilder UseUserLimits(this IApplicationBuilder app) =>
        app.UseRateLimiter(OptionsFor(app.ApplicationServices.GetRequiredService<UserLimiter>()));

    /// <summary>Counts the endpoint's requests as orders.</summary>
    public static RouteHandlerBuilder LimitPurchases(this RouteHandlerBuilder route, IServiceProvider services)
    {
        var shared = services.GetRequiredService<SharedUserLimit>();
        if (shared.Enabled)
        {
            route.AddEndpointFilter(shared.FilterAsync);
        }

        return route.WithMetadata(new RequestKindMetadata(RequestKind.Purchase)).ProducesErrors429();
    }

    /// <summary>Counts the endpoint's requests as queries.</summary>
    public static RouteHandlerBuilder LimitQueries(this RouteHandlerBuilder route) =>
        route.WithMetadata(new RequestKindMetadata(RequestKind.Query)).ProducesErrors429();

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

    private static RateLimiterOptions OptionsFor(PartitionedRateLimiter<HttpContext> limiter) => new()
    {
        GlobalLimiter = limiter,
        // A refusal with a time to wait is the sender's doing; one without is ours.
        OnRejected = static async (context, _) => await
            (context.Lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan _) ? TooMany : ErrorResult.Busy)
            .ExecuteAsync(context.HttpContext),
    };

    private static RouteHandlerBuilder ProducesErrors429(this RouteHandlerBuilder route) =>
        route.Produces<ErrorBody>(StatusCodes.Status429TooManyRequests, "application/problem+json");
}
