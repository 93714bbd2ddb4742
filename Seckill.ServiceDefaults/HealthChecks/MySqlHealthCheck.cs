using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.ServiceDefaults.Connections;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>Whether the database can be written to: after a switch-over the old primary still answers every SELECT.</summary>
internal sealed class MySqlHealthCheck<TContext>(TContext context) : IHealthCheck where TContext : DbContext
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext check, CancellationToken cancellationToken = default)
    {
        var readOnly = await context.Database.SqlQueryRaw<bool>("SELECT @@GLOBAL.read_only <> 0 AS Value").SingleAsync(cancellationToken);
        if (!readOnly)
        {
            return HealthCheckResult.Healthy();
        }

        // Also for read-only users: they would continue to read stale data.
        await MySqlSwitchOver.LeaveAsync(context.Database.GetDbConnection());
        return new HealthCheckResult(check.Registration.FailureStatus, "the server is read-only");
    }
}
