using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.ServiceDefaults;
using Seckill.ServiceDefaults.Connections;
using Seckill.ServiceDefaults.HealthChecks;

namespace Microsoft.Extensions.Hosting;

public static partial class ServerClients
{
    /// <summary>
    /// Registers a pooled <typeparamref name="TContext"/> for the connection string <c>mysql</c>, without opening a connection.
    /// Commands are not retried behind the caller's back: a batch is one transaction that its writer owns and repeats as a
    /// whole, which a retrying execution strategy forbids, and a status query must fail fast rather than wait half a minute.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="failureStatus">What the application's health becomes when the database does not answer.</param>
    /// <exception cref="ConnectionStringException">The connection string is missing or cannot be used.</exception>
    public static IHostApplicationBuilder AddMySql<TContext>(
        this IHostApplicationBuilder builder, HealthStatus failureStatus = HealthStatus.Unhealthy)
        where TContext : DbContext
    {
        builder.AddMySqlDbContext<TContext>(ClientDefaults.MySql, settings =>
        {
            settings.ConnectionString = ClientDefaults.ConfigureMySql(settings.ConnectionString);
            settings.ServerVersion = ClientDefaults.MySqlServerVersion;
            settings.DisableRetry = true;
            // See MySqlHealthCheck: ours checks whether the server accepts writes.
            settings.DisableHealthChecks = true;
        }, ClientDefaults.Configure);

        builder.Services.AddHealthChecks().AddCheck<MySqlHealthCheck<TContext>>(typeof(TContext).Name, failureStatus);
        return builder;
    }
}
