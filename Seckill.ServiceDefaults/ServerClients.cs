using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.ServiceDefaults;
using Seckill.ServiceDefaults.Connections;
using Seckill.ServiceDefaults.HealthChecks;
using StackExchange.Redis;

namespace Microsoft.Extensions.Hosting;

/// <summary>The three servers' clients from Aspire's integrations.</summary>
public static partial class ServerClients
{
    /// <summary>
    /// Registers <c>IConnectionMultiplexer</c> for the connection string <c>redis</c>, opened while the host starts. A server that is down
    /// delays the start by a few seconds at most; the client keeps trying to connect in the background.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the server does not answer.</param>
    /// <exception cref="ConnectionStringException">The connection string is missing or cannot be used.</exception>
    public static TBuilder AddRedis<TBuilder>(this TBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TBuilder : IHostApplicationBuilder
    {
        builder.AddRedisClient(ClientDefaults.Redis, settings =>
        {
            settings.ConnectionString = RedisConnection.Check(ClientDefaults.Redis, settings.ConnectionString);
            // The first caller that needs the connection waits for it: let that be the host, not a buyer's request.
            settings.DisableAutoActivation = false;
            // Every script has a span of its own, which says what the script decided. Profiling each command as well
            // would double the spans and keep a session for every request of a burst.
            settings.DisableTracing = true;
            // See RedisHealthCheck: ours checks whether the masters accept writes.
            settings.DisableHealthChecks = true;
        }, ClientDefaults.Configure);
        builder.Services.AddSingleton<SentinelTunnel>();
        builder.Services.AddOptions<ConfigurationOptions>().PostConfigure<SentinelTunnel>((redis, sentinel) => sentinel.Lead(redis));

        builder.Services.AddHealthChecks()
            .AddCheck<RedisHealthCheck>(RedisHealthCheck.Name, failureStatus)
            .AddCheck<RedisEvictionCheck>(RedisEvictionCheck.Name, HealthStatus.Degraded);
        return builder;
    }

    /// <summary>
    /// Registers <c>IConnectionFactory</c> for the connection string <c>rabbitmq</c>. The application opens its own
    /// connections and opens new ones when they end.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the broker does not answer.</param>
    /// <exception cref="ConnectionStringException">The connection string is missing or cannot be used.</exception>
    public static TBuilder AddRabbitMQ<TBuilder>(this TBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TBuilder : IHostApplicationBuilder
    {
        var applicationName = builder.Environment.ApplicationName;
        RabbitMQConnection? connection = null;
        builder.AddRabbitMQClient(ClientDefaults.RabbitMQ, settings =>
        {
            connection = RabbitMQConnection.Parse(ClientDefaults.RabbitMQ, settings.ConnectionString);
            settings.ConnectionString = connection.FirstUri;
            // See RabbitMQHealthCheck: ours neither blocks a thread nor trusts one connection for ever.
            settings.DisableHealthChecks = true;
            settings.MaxConnectRetryCount = 0;
        }, factory =>
        {
            ClientDefaults.Configure(factory, applicationName);
            connection!.Apply(factory);
        });

        builder.Services.AddSingleton<RabbitMQHealthCheck>();
        builder.Services.AddHealthChecks().AddCheck<RabbitMQHealthCheck>(RabbitMQHealthCheck.Name, failureStatus);

        return builder;
    }
}
