using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.ServiceDefaults;
using Seckill.ServiceDefaults.HealthChecks;

namespace Microsoft.Extensions.Hosting;

/// <summary>The three servers' clients from Aspire's integrations.</summary>
public static partial class ServerClients
{
    /// <summary>
    /// Registers <c>IConnectionMultiplexer</c> for the connection string <c>redis</c>, opened while the host starts. A
    /// server that is down delays the start by a few seconds at most; the client goes on connecting in the background.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the server does not answer.</param>
    /// <exception cref="InvalidOperationException">At start: the connection string is missing.</exception>
    public static TBuilder AddRedis<TBuilder>(this TBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TBuilder : IHostApplicationBuilder
    {
        builder.AddRedisClient(ClientDefaults.Redis, settings =>
        {
            // The first to ask for the connection waits for it: let that be the host, not a buyer's request.
            settings.DisableAutoActivation = false;
            // Every script has a span of its own, which says what the script decided. Profiling each command besides
            // would double the spans and keep a session for every request of a burst.
            settings.DisableTracing = true;
        }, ClientDefaults.Configure);

        return builder.WithFailureStatus("StackExchange.Redis", failureStatus);
    }

    /// <summary>
    /// Registers <c>IConnectionFactory</c> for the connection string <c>rabbitmq</c>. The application opens its own
    /// connections and opens new ones when they end.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the broker does not answer.</param>
    public static TBuilder AddRabbitMQ<TBuilder>(this TBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TBuilder : IHostApplicationBuilder
    {
        var applicationName = builder.Environment.ApplicationName;
        builder.AddRabbitMQClient(ClientDefaults.RabbitMQ, settings =>
        {
            // See RabbitMQHealthCheck: ours neither blocks a thread nor trusts one connection for ever.
            settings.DisableHealthChecks = true;
            settings.MaxConnectRetryCount = 0;
        }, factory => ClientDefaults.Configure(factory, applicationName));

        builder.Services.AddSingleton<RabbitMQHealthCheck>();
        builder.Services.AddHealthChecks().AddCheck<RabbitMQHealthCheck>(RabbitMQHealthCheck.Name, failureStatus);

        return builder;
    }

    /// <summary>Aspire's settings know whether there is a health check, not how grave its failure is.</summary>
    private static TBuilder WithFailureStatus<TBuilder>(this TBuilder builder, string checkName, HealthStatus failureStatus)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Services.PostConfigure<HealthCheckServiceOptions>(options =>
        {
            foreach (var registration in options.Registrations.Where(registration => registration.Name == checkName))
            {
                registration.FailureStatus = failureStatus;
            }
        });

        return builder;
    }
}
