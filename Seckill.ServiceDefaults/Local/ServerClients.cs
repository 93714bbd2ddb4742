using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Seckill.ServiceDefaults;
using Seckill.ServiceDefaults.HealthChecks;
using Seckill.ServiceDefaults.Local;
using StackExchange.Redis;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// The three servers' clients from the plain libraries: services, health-check names, sources and meters are those that
/// Aspire's client packages give.
/// </summary>
public static class ServerClients
{
    /// <summary>
    /// Registers <see cref="IConnectionMultiplexer"/> for the connection string <c>redis</c>, opened while the host starts. A
    /// server that is down delays the start by a few seconds at most; the client goes on connecting in the background.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the server does not answer.</param>
    /// <exception cref="InvalidOperationException">At start: the connection string is missing.</exception>
    public static TBuilder AddRedis<TBuilder>(this TBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Services.AddSingleton<IConnectionMultiplexer>(services =>
        {
            var options = ConfigurationOptions.Parse(RequiredConnectionString(services, ClientDefaults.Redis));
            options.LoggerFactory = services.GetRequiredService<ILoggerFactory>();
            ClientDefaults.Configure(options);
            return ConnectionMultiplexer.Connect(options);
        });
        builder.Services.ActivateSingleton<IConnectionMultiplexer>();

        builder.Services.AddHealthChecks().AddRedis(
            services => services.GetRequiredService<IConnectionMultiplexer>(), "StackExchange.Redis", failureStatus);

        return builder;
    }

    /// <summary>
    /// Registers <see cref="IConnectionFactory"/> for the connection string <c>rabbitmq</c>. The application opens its own
    /// connections and opens new ones when they end.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the broker does not answer.</param>
    /// <exception cref="InvalidOperationException">At first use: the connection string is missing.</exception>
    public static TBuilder AddRabbitMQ<TBuilder>(this TBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TBuilder : IHostApplicationBuilder
    {
        var applicationName = builder.Environment.ApplicationName;
        builder.Services.AddSingleton<RabbitMQLogForwarder>();
        builder.Services.AddSingleton<IConnectionFactory>(services =>
        {
            services.GetRequiredService<RabbitMQLogForwarder>().Start();
            var factory = new ConnectionFactory { Uri = new Uri(RequiredConnectionString(services, ClientDefaults.RabbitMQ)) };
            ClientDefaults.Configure(factory, applicationName);
            return factory;
        });

        builder.Services.AddSingleton<RabbitMQHealthCheck>();
        builder.Services.AddHealthChecks().AddCheck<RabbitMQHealthCheck>(RabbitMQHealthCheck.Name, failureStatus);
        builder.Services.AddOpenTelemetry().WithTracing(tracing => tracing.AddSource("RabbitMQ.Client.*"));

        return builder;
    }

    /// <summary>
    /// Registers a pooled <typeparamref name="TContext"/> for the connection string <c>mysql</c>, without opening a connection.
    /// Commands are not retried behind the caller's back: a batch is one transaction that its writer owns and repeats as a
    /// whole, which a retrying execution strategy forbids, and a status query must fail fast rather than wait half a minute.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the database does not answer.</param>
    /// <exception cref="InvalidOperationException">When the first context is made: the connection string is missing.</exception>
    public static IHostApplicationBuilder AddMySql<TContext>(
        this IHostApplicationBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TContext : DbContext
    {
        builder.Services.AddDbContextPool<TContext>((services, options) =>
            options.UseMySql(
                ClientDefaults.ConfigureMySql(RequiredConnectionString(services, ClientDefaults.MySql)),
                ServerVersion.Parse(ClientDefaults.MySqlServerVersion)));

        builder.Services.AddHealthChecks().AddDbContextCheck<TContext>(typeof(TContext).Name, failureStatus);
        builder.Services.AddOpenTelemetry()
            .WithTracing(tracing => tracing.AddSource("MySqlConnector"))
            .WithMetrics(metrics => metrics.AddMeter("MySqlConnector"));

        return builder;
    }

    private static string RequiredConnectionString(IServiceProvider services, string name) =>
        services.GetRequiredService<IConfiguration>().GetConnectionString(name)
            ?? throw new InvalidOperationException($"ConnectionStrings:{name} is not configured.");
}
